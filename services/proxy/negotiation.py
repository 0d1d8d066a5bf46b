"""Negotiation: which formats a client takes, and whether it is a browser's image, by its headers."""

from collections.abc import Mapping
from functools import lru_cache

from multidict import MultiMapping

from shared.pictures import Format

LONGEST_ACCEPT = 1000
"""Characters; far longer than any client's. A longer one is not read."""


def welcome_formats(headers: MultiMapping[str], usual: Format) -> tuple[Format, ...]:
    """What would do for the client, the better first, the last to be made: AVIF only where it is there already, for
    it is slow to make. `usual`: for who says nothing of formats. Several lines are one list (RFC 9110, section 5.3).
    """
    lines = headers.getall("Accept", ())
    accept = lines[0] if len(lines) == 1 else ",".join(lines)
    return _welcome(accept, usual) if len(accept) <= LONGEST_ACCEPT else (Format.JPG,)


@lru_cache(256)
def _welcome(accept: str, usual: Format) -> tuple[Format, ...]:
    if not accept or (
        accept.partition(";")[0].strip() == "*/*" and accepts(accept, "*/*") and "," not in accept
    ):
        return (usual,)
    made = Format.WEBP if accepts(accept, "image/webp") else Format.JPG
    return (Format.AVIF, made) if accepts(accept, "image/avif") else (made,)


def accepts(accept: str, media_type: str) -> bool:
    """Whether the header names this very type: a wildcard is sent by clients that cannot show WebP, too."""
    for part in accept.split(","):
        named, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if named == media_type:
            return not any(p.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for p in parameters)
    return False


def is_browser_image(headers: Mapping[str, str]) -> bool:
    """Whether an `<img>` asks. Browsers leave Sec-Fetch-Dest out for plain-HTTP origins; then by the rest."""
    destination = headers.get("Sec-Fetch-Dest")
    if destination is not None:
        return destination == "image"
    accept = headers.get("Accept", "")
    modern = accepts(accept, "image/webp") or accepts(accept, "image/avif")
    return modern and "Mozilla/" in headers.get("User-Agent", "")
