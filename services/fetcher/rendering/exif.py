"""EXIF: of all that it may say, how to turn the picture, read without trust and written without anything else."""

import struct

from PIL import Image

ORIENTATION = 0x0112
_UPRIGHT = 1
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_SHORT, _LONG = 3, 4
_ENTRY_BYTES = 12


def orientation_of(exif: bytes | None) -> int:
    """1 to 8 (TIFF 6.0, page 36), as the first directory of the TIFF says; upright where that cannot be read.

    What XMP says is not heeded: programs that turn pictures leave it as it was, and no browser looks at it.
    """
    tiff = (exif or b"").removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(tiff[:4])
    try:
        return _orientation(tiff, order) if order else _UPRIGHT
    except struct.error:
        return _UPRIGHT


def is_readable(exif: bytes) -> bool:
    """Whether it is TIFF as far as its first directory."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(tiff[:4])
    if not order:
        return False
    try:
        _orientation(tiff, order)
    except struct.error:
        return False
    return True


def with_orientation(orientation: int) -> bytes:
    """EXIF that says nothing but how to turn the picture; empty where it stands upright."""
    if orientation not in range(2, 9):
        return b""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif.tobytes()


def _orientation(tiff: bytes, order: str) -> int:
    (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
    (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
    for entry in range(entries):
        at = directory + 2 + _ENTRY_BYTES * entry
        tag, kind = struct.unpack_from(f"{order}2H", tiff, at)
        if tag == ORIENTATION and kind in (_SHORT, _LONG):
            (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), tiff, at + 8)
            return int(value) if 1 <= value <= 8 else _UPRIGHT  # noqa: PLR2004 - the eight ways to turn
    return _UPRIGHT
