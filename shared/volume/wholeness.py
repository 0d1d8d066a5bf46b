"""Wholeness: whether a picture file ends where its container says, as far as that can be seen without decoding it."""

from collections.abc import Callable
from pathlib import Path

_HEAD = 12
_TAIL = 12


def is_whole(file: Path) -> bool:
    """False: it is empty, or ends early. True says nothing of what is inside."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
        opened.seek(max(0, size - _TAIL))
        tail = opened.read()
    check = _CHECKS.get(file.suffix.removeprefix("."))
    return size > 0 and (check is None or check(head, tail, size))


def _webp(head: bytes, _tail: bytes, size: int) -> bool:
    """RIFF tells the bytes that follow its first eight, which are padded to an even number."""
    told = int.from_bytes(head[4:8], "little") + 8
    return head[:4] == b"RIFF" and size in (told, told + told % 2)


def _jpg(head: bytes, tail: bytes, _size: int) -> bool:
    return head[:2] == b"\xff\xd8" and b"\xff\xd9" in tail


def _png(head: bytes, tail: bytes, _size: int) -> bool:
    return head[:8] == b"\x89PNG\r\n\x1a\n" and tail[-8:-4] == b"IEND"


def _gif(head: bytes, tail: bytes, _size: int) -> bool:
    return head[:4] == b"GIF8" and b"\x3b" in tail


_CHECKS: dict[str, Callable[[bytes, bytes, int], bool]] = {
    "webp": _webp,
    "jpg": _jpg,
    "png": _png,
    "gif": _gif,
}
"""Of formats that tell. An original may have some bytes after its end, as cameras and old programs leave them."""
