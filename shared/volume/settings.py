"""Where things are kept, as whom, and how much of the disk stays free."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from shared.settings import Settings
from shared.volume.inventory import Extent


class VolumeRefused(Exception):
    """The volume cannot be used as it is; the text says what to change."""


KEPT_BY_OTHERS_S = 86_400


@dataclass(frozen=True, slots=True)
class ObjectStoreSettings:
    """Where a volume of objects lies, and as whom it is asked."""

    bucket: str
    prefix: str
    """Below which all keys lie; empty: the bucket is all ours."""
    endpoint: str
    """Empty: AWS."""
    region: str
    access_key_id: str
    """Empty: the role of the machine, or what else the usual AWS_* variables say."""
    secret_access_key: str = field(repr=False)
    originals: str
    thumbnails: str
    """The buckets of originals and of renditions, where they are not the first one."""
    verify_ssl: bool
    create_buckets: bool
    timeout_s: float
    pointer_s: float
    cache_directory: Path
    cache_bytes: int
    cache_control: str = f"public, max-age={KEPT_BY_OTHERS_S}"

    @property
    def buckets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.bucket, self.originals, self.thumbnails)))

    @property
    def key_prefix(self) -> str:
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


_AZURE = (
    "Azure Blob Storage is not spoken: set VOLUME_URL=file:<directory> with a mounted share, or VOLUME_URL=s3://<bucket> at a"
    " store that speaks S3. AZURE_STORAGE_CONNECTION_STRING_MAIN and _PUBLIC are not used."
)
_S3_URL = re.compile(
    r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*))?/?"
)


class VolumeSettings(Settings):
    volume_url: str = Field(
        "file:data", validation_alias="VOLUME_URL", examples=["file:/srv/onesheet", "s3://pictures/onesheet"]
    )
    state_directory: Path | None = Field(None, validation_alias="STATE_DIR")
    umask: str = Field("022", validation_alias="UMASK", pattern=r"^[0-7]{3,4}$", examples=["022"])
    user_id: int | None = Field(None, validation_alias="PUID", gt=0, lt=2**32 - 1)
    group_id: int | None = Field(None, validation_alias="PGID", gt=0, lt=2**32 - 1)

    storage_backend: Literal["", "s3", "local", "none"] = Field("", validation_alias="STORAGE_BACKEND")
    """Another program's word for the scheme, where VOLUME_URL says none."""
    local_storage_path: str = Field("", validation_alias="LOCAL_STORAGE_PATH")
    s3_endpoint_url: str = Field(
        "",
        validation_alias="S3_ENDPOINT_URL",
        pattern=r"^$|^(https?://)?[^\s/?#@]+(/[^\s/?#@]+)*/?$",
        examples=["http://minio:9000"],
    )
    """Empty: AWS."""
    s3_access_key_id: str = Field("", validation_alias="S3_ACCESS_KEY_ID")
    s3_secret_access_key: str = Field("", validation_alias="S3_SECRET_ACCESS_KEY", repr=False)
    s3_region: str = Field("us-east-1", validation_alias="S3_REGION")
    s3_bucket_name: str = Field("", validation_alias="S3_BUCKET_NAME")
    s3_bucket_originals: str = Field("", validation_alias="S3_BUCKET_ORIGINALS")
    s3_bucket_thumbnails: str = Field("", validation_alias="S3_BUCKET_THUMBNAILS")
    s3_use_ssl: bool = Field(default=True, validation_alias="S3_USE_SSL")
    """Of an endpoint that is said without http:// or https://."""
    s3_verify_ssl: bool = Field(default=True, validation_alias="S3_VERIFY_SSL")
    s3_create_buckets: bool = Field(default=False, validation_alias="S3_CREATE_BUCKETS")
    """Make what is not there; else it is refused, for it may be a slip of the pen."""
    s3_timeout_s: float = Field(10, validation_alias="S3_TIMEOUT", gt=0, le=30)
    """Of one request. A lock and a removal last longer than that."""
    pointer_s: float = Field(5, validation_alias="POINTER_SECONDS", ge=0.1, le=300)
    """How long a lost event can leave a picture in sight that was removed or replaced."""
    cache_directory: Path | None = Field(None, validation_alias="VOLUME_CACHE_DIR")
    cache_gb: float = Field(5, validation_alias="VOLUME_CACHE_GB", gt=0)
    """What each proxy keeps of the store on its own disk."""

    @model_validator(mode="after")
    def _known_scheme(self) -> Self:
        url = self.url
        if url.startswith(("az:", "azure:", "abfs:")):
            raise ValueError(f"VOLUME_URL: {_AZURE}")
        if url.startswith("s3:"):
            if not _S3_URL.fullmatch(url):
                raise ValueError("VOLUME_URL: must be s3://<bucket>, or s3://<bucket>/<prefix>")
            if bool(self.s3_access_key_id) != bool(self.s3_secret_access_key):
                raise ValueError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY: set both, or neither.")
        elif not url.startswith("file:") or url == "file:":
            raise ValueError("VOLUME_URL: must be file:<directory> or s3://<bucket>/<prefix>")
        return self

    @property
    def url(self) -> str:
        """Which volume, where another program's settings say it as well."""
        if "volume_url" in self.model_fields_set or self.storage_backend in ("", "none"):
            return self.volume_url
        if self.storage_backend == "local":
            return f"file:{self.local_storage_path}" if self.local_storage_path else self.volume_url
        return f"s3://{self.s3_bucket_name or self.s3_bucket_thumbnails or 'tvdb-images'}"

    @property
    def unused(self) -> tuple[str, ...]:
        """What is set of a store of objects, although the volume is files."""
        if self.url.startswith("s3:"):
            return ()
        names = (name for name in self.model_fields_set if name.startswith("s3_") and getattr(self, name))
        return tuple(sorted(str(type(self).model_fields[name].validation_alias) for name in names))

    @property
    def objects(self) -> ObjectStoreSettings | None:
        """None where the volume is files."""
        if not (said := _S3_URL.fullmatch(self.url)):
            return None
        bucket, prefix = said[1], said[2] or ""
        endpoint = self.s3_endpoint_url.rstrip("/")
        if endpoint and "://" not in endpoint:
            endpoint = f"{'https' if self.s3_use_ssl else 'http'}://{endpoint}"
        return ObjectStoreSettings(
            bucket=bucket,
            prefix=prefix,
            endpoint=endpoint,
            region=self.s3_region,
            access_key_id=self.s3_access_key_id,
            secret_access_key=self.s3_secret_access_key,
            originals=self.s3_bucket_originals or bucket,
            thumbnails=self.s3_bucket_thumbnails or bucket,
            verify_ssl=self.s3_verify_ssl,
            create_buckets=self.s3_create_buckets,
            timeout_s=self.s3_timeout_s,
            pointer_s=self.pointer_s,
            cache_directory=self.root,
            cache_bytes=int(self.cache_gb * 1024**3),
        )

    @property
    def root(self) -> Path:
        """Of the files; of a volume of objects, what proxies have of it on this disk."""
        if self.url.startswith("s3:"):
            return (self.cache_directory or Path("data")).absolute()
        return Path(self.url.removeprefix("file://").removeprefix("file:")).absolute()

    @property
    def state_dir(self) -> Path:
        """Beside the volume where nothing else is said."""
        return (self.state_directory or self.root.parent / "state").absolute()


class FloorSettings(Settings):
    """How much of the disk is to stay free, which the fetcher stops at and the enricher makes."""

    free_gb: float = Field(5, validation_alias="DISK_FREE_FLOOR_GB", ge=0)
    free_files: int = Field(1000, validation_alias="DISK_FREE_FLOOR_FILES", ge=0)
    """Where the file system can have only so many."""

    @property
    def floor(self) -> Extent:
        return Extent(int(self.free_gb * 1024**3), self.free_files)
