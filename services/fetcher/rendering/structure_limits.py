"""Pieces: what a file has many of to keep a decoder busy, counted without decoding any of them."""

from services.fetcher.rendering.order import TooLarge

MAX_SCANS = 200
"""Of a progressive JPEG, each of which goes over the whole picture. Encoders make about ten."""

MAX_GIF_BLOCKS = 10_000
"""Frames, comments and what else a GIF is made of."""

MAX_GIF_PARTS = 1_000_000
"""Of all blocks together: a full one has 255 bytes, so that 50 MB have a fifth of this."""

_JPEG, _GIF = b"\xff\xd8", b"GIF8"
_START_OF_SCAN = b"\xff\xda"  # inside of a scan, 0xff is always followed by a zero
_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B


def check_pieces(body: bytes) -> None:
    """Raise TooLarge. What is malformed is left to the decoder."""
    if body.startswith(_JPEG) and body.count(_START_OF_SCAN) > MAX_SCANS:
        raise TooLarge(f"The picture is made of more than {MAX_SCANS} scans.")
    if body.startswith(_GIF):
        _check_gif(body)


def _check_gif(gif: bytes) -> None:
    """GIF89a, sections 15 to 26: blocks, each a head and parts that begin with their length, up to an empty one."""
    at = 13 + _table_bytes(gif[10:11])
    blocks = parts = 0
    while at < len(gif) and gif[at] != _END:
        if gif[at] == _FRAME:
            at += 11 + _table_bytes(gif[at + 9 : at + 10])
        else:
            at += 2 if gif[at] == _EXTENSION else 1
        while at < len(gif) and gif[at]:
            at += gif[at] + 1
            parts += 1
            if parts > MAX_GIF_PARTS:
                raise TooLarge(f"The animation is made of more than {MAX_GIF_PARTS} parts.")
        at += 1
        blocks += 1
        if blocks > MAX_GIF_BLOCKS:
            raise TooLarge(f"The animation is made of more than {MAX_GIF_BLOCKS} blocks.")


def _table_bytes(flags: bytes) -> int:
    """Of the colour table that a byte of flags announces."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0
