"""The probe: at the start a store shows that it keeps its word, for one that takes conditions and ignores them loses commits without
any error.
"""

import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import obstore
from obstore import exceptions as refused
from obstore.store import S3Store

from shared.volume.objects.client import ObjectClient
from shared.volume.settings import VolumeRefused

_BODY, _OTHER = b"0123456789", b"9876543210"
_NEVER = '"00000000000000000000000000000000"'
_TYPE = "image/webp"


def probe(client: ObjectClient) -> None:
    """Raise VolumeRefused, in a sentence, for a store that cannot be used. Without an event loop: nothing else goes on yet."""
    for bucket, store in client.stores.items():
        _check_bucket(client, bucket, store)
        key = f"{client.settings.key_prefix}probe/{uuid4().hex}"
        try:
            _check_store(store, key, bucket)
        except (refused.PermissionDeniedError, refused.UnauthenticatedError) as error:
            raise VolumeRefused(
                f"VOLUME_URL: the store lets us not write to the bucket {bucket}: check S3_ACCESS_KEY_ID,"
                " S3_SECRET_ACCESS_KEY and S3_REGION, and what the key may do."
            ) from error
        except (refused.BaseError, OSError) as error:
            raise VolumeRefused(
                f"VOLUME_URL: the bucket {bucket} cannot be used: {client.said(error)}."
            ) from error
        finally:
            client.delete_from(store, key)


def _check_bucket(client: ObjectClient, bucket: str, store: S3Store) -> None:
    """Asked for by itself: some stores make a bucket of whatever name somebody writes to."""
    status = _asked(store, "HEAD", client.settings.timeout_s)
    if status == 404 and client.settings.create_buckets:  # noqa: PLR2004 - HTTP's own number
        status = _asked(store, "PUT", client.settings.timeout_s)
    if status == 404:  # noqa: PLR2004
        raise VolumeRefused(
            f"VOLUME_URL: there is no bucket {bucket}: make it, or set S3_CREATE_BUCKETS=true."
        )
    if status is None:
        raise VolumeRefused(
            f"VOLUME_URL: the store at {client.settings.endpoint or 'AWS'} does not answer: check S3_ENDPOINT_URL."
        )


def _asked(store: S3Store, method: str, timeout_s: float) -> int | None:
    """The status of a request for the bucket itself; None: no answer."""
    try:
        url = obstore.sign(store, method, "", timedelta(minutes=1))  # type: ignore[call-overload] # any method
        with urllib.request.urlopen(  # noqa: S310 - http or https, as the settings say
            urllib.request.Request(url, method=method),  # noqa: S310 - as above
            timeout=timeout_s,
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)
    except (refused.BaseError, OSError):
        return None


def _check_store(store: S3Store, key: str, bucket: str) -> None:
    attributes: obstore.Attributes = {"Content-Type": _TYPE, "made-by": "onesheet"}
    first = obstore.put(store, key, _BODY, mode="create", attributes=attributes)
    _demand(
        _is_refused(lambda: obstore.put(store, key, _OTHER, mode="create")),
        bucket,
        "writes over an object that must not be there yet (If-None-Match: *)",
    )
    _demand(
        _is_refused(lambda: obstore.put(store, key, _OTHER, mode={"e_tag": _NEVER})),
        bucket,
        "writes over an object that is not the one it was told (If-Match)",
    )
    got = obstore.get(store, key)
    body = bytes(got.bytes())
    _demand(body == _BODY, bucket, "does not keep what was written")
    e_tag = got.meta["e_tag"] or ""
    _demand(
        bool(e_tag) and e_tag == first["e_tag"],
        bucket,
        "does not keep the entity tags that it hands out (ETag)",
    )
    said = got.attributes.get("Content-Type")
    _demand(said == _TYPE, bucket, "does not keep the Content-Type of objects")
    _demand(got.attributes.get("made-by") == "onesheet", bucket, "does not keep the metadata of objects")
    part = _part(store, key)
    _demand(part == _BODY[2:5], bucket, "does not answer a range with that range (206)")
    changed = obstore.put(store, key, _OTHER, mode={"e_tag": e_tag})
    _demand(changed["e_tag"] != e_tag, bucket, "gives two contents one entity tag")
    _demand(
        bytes(obstore.get(store, key).bytes()) == _OTHER,
        bucket,
        "does not replace what it was told to (If-Match)",
    )


def _part(store: S3Store, key: str) -> bytes:
    try:
        return bytes(obstore.get_range(store, key, start=2, end=5))
    except refused.BaseError:
        return b""


def _is_refused(write: Callable[[], object]) -> bool:
    try:
        write()
    except (refused.AlreadyExistsError, refused.PreconditionError, FileNotFoundError):
        return True
    return False


def _demand(held: bool, bucket: str, otherwise: str) -> None:
    if not held:
        raise VolumeRefused(
            f"VOLUME_URL: the store of the bucket {bucket} cannot keep a volume: it {otherwise}. Commits would be lost without"
            " any error. Use AWS S3, MinIO, Ceph or SeaweedFS, or VOLUME_URL=file:<directory>."
        )


def identity_of(client: ObjectClient) -> str:
    """Which volume it is, whoever asks: the first one says so for good."""
    store, key = client.stores[client.settings.bucket], f"{client.settings.key_prefix}volume-id"
    with suppress(refused.AlreadyExistsError):
        obstore.put(
            store, key, uuid4().hex.encode(), mode="create", attributes={"Content-Type": "text/plain"}
        )
    return bytes(obstore.get(store, key).bytes()).decode("ascii", "replace")[:32]
