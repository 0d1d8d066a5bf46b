"""The probe: at the start a store shows that it keeps its word, for one that takes conditions and ignores them loses commits without
any error.
"""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import obstore
from obstore import exceptions as refused
from obstore.store import S3Store

from shared.volume.objects.client import ObjectClient, store_code
from shared.volume.settings import VolumeRefused

_BODY, _OTHER = b"0123456789", b"9876543210"
_NEVER = '"00000000000000000000000000000000"'
_TYPE = "image/webp"


_ANOTHER_REGION = "the bucket is in another region: set S3_REGION"
_MEANS = {
    "RequestTimeTooSkewed": "its clock and this machine's are too far apart: set this machine's right",
    "InvalidAccessKeyId": "it does not know the key: check S3_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret is not that of the key: check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
    "ExpiredToken": "the session of the key has ended: check AWS_SESSION_TOKEN, or the role of this machine",
    "InvalidToken": "the session of the key is none: check AWS_SESSION_TOKEN, or the role of this machine",
    "PermanentRedirect": _ANOTHER_REGION,
    "AuthorizationHeaderMalformed": _ANOTHER_REGION,
    "IllegalLocationConstraintException": _ANOTHER_REGION,
    "SlowDown": "it is too busy just now: start again in a minute",
    "ServiceUnavailable": "it is too busy just now: start again in a minute",
}
"""What can be done about what a store says, by the store's word for it."""

_AUTHORITY = "CaUsedAsEndEntity"
"""As rustls has it. OpenSSL takes such a certificate, as `openssl req -x509` makes it."""


def probe(client: ObjectClient) -> None:
    """Raise VolumeRefused, in a sentence, for a store that cannot be used. Without an event loop: nothing else goes on yet."""
    for bucket, store in client.stores.items():
        _check_bucket(client, bucket, store)
        key = f"{client.settings.key_prefix}probe/{uuid4().hex}"
        try:
            _check_store(store, key, bucket)
        except (refused.BaseError, OSError) as error:
            raise VolumeRefused(_sentence(client, bucket, error)) from error
        finally:
            client.delete_from(store, key)


def _sentence(client: ObjectClient, bucket: str, error: Exception) -> str:
    code = store_code(error)
    if means := _MEANS.get(code):
        return f"VOLUME_URL: the bucket {bucket} cannot be used: the store says {code}, {means}."
    if _AUTHORITY in str(error):
        return (
            f"VOLUME_URL: the certificate of the store at {client.settings.endpoint} is an authority's, which counts as no"
            " server's: have one made for the server (basicConstraints=CA:FALSE), or set S3_VERIFY_SSL=false."
        )
    if isinstance(error, refused.PermissionDeniedError | refused.UnauthenticatedError):
        return (
            f"VOLUME_URL: the store lets us not write to the bucket {bucket}: check S3_ACCESS_KEY_ID,"
            " S3_SECRET_ACCESS_KEY and S3_REGION, and what the key may do: it has to read, write, remove and list objects."
        )
    return f"VOLUME_URL: the bucket {bucket} cannot be used: {client.said(error)}."


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int | None
    """None: there was no answer."""
    region: str = ""
    """Where the bucket is, as some stores say."""
    distrusted: str = ""
    """Why its certificate is not trusted."""


def _check_bucket(client: ObjectClient, bucket: str, store: S3Store) -> None:
    """Asked for by itself: some stores make a bucket of whatever name somebody writes to."""
    settings = client.settings
    reply = _asked(client, store, "HEAD")
    if reply.status == 404 and settings.create_buckets:  # noqa: PLR2004 - HTTP's own number
        reply = _asked(client, store, "PUT")
    if reply.status == 404:  # noqa: PLR2004
        raise VolumeRefused(
            f"VOLUME_URL: there is no bucket {bucket}: make it, or set S3_CREATE_BUCKETS=true."
        )
    endpoint = settings.endpoint or "AWS"
    if reply.distrusted:
        raise VolumeRefused(
            f"VOLUME_URL: the certificate of the store at {endpoint} is not trusted ({reply.distrusted}): set SSL_CERT_FILE to a"
            " file with that of your authority, or S3_VERIFY_SSL=false."
        )
    if reply.status is None:
        raise VolumeRefused(f"VOLUME_URL: the store at {endpoint} does not answer: check S3_ENDPOINT_URL.")
    if reply.status >= 300 and reply.region not in ("", settings.region):  # noqa: PLR2004
        raise VolumeRefused(
            f"VOLUME_URL: the bucket {bucket} is in {reply.region}: set S3_REGION={reply.region}."
        )


def _asked(client: ObjectClient, store: S3Store, method: str) -> _Reply:
    """The answer to a request for the bucket itself."""
    trust = ssl.create_default_context()
    if not client.settings.verify_ssl:
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    try:
        url = obstore.sign(store, method, "", timedelta(minutes=1))  # type: ignore[call-overload] # any method
        with urllib.request.urlopen(  # noqa: S310 - http or https, as the settings say
            urllib.request.Request(url, method=method),  # noqa: S310 - as above
            timeout=client.settings.timeout_s,
            context=trust,
        ) as answer:
            return _Reply(int(answer.status))
    except urllib.error.HTTPError as error:
        with error:
            return _Reply(int(error.code), region=error.headers.get("x-amz-bucket-region", "")[:40])
    except (refused.BaseError, OSError) as error:
        reason = getattr(error, "reason", None)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return _Reply(None, distrusted=reason.verify_message)
        return _Reply(None)


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
