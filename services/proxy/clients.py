"""Clients: what their headers say of them."""

from collections.abc import Mapping


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
