"""Mutations: a sound file made into one that somebody may send. The same dice, the same mutant."""

import struct
from collections.abc import Callable
from random import Random

from tests.fuzz.parts import parts_of, with_checksums

HEAD_BYTES = 256
"""Where most formats say how large a picture is and how it is packed."""

_TELLING = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    20_000,
    70_000,
    2**24 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
)
_LARGEST_BYTES = 8 * 1024**2


def mutant(dice: Random, body: bytes, other: bytes) -> bytes:
    """One mutation, or two, one after the other. `other`: another file, of any format."""
    for _ in range(dice.choice((1, 1, 1, 2))):
        body = dice.choice(MUTATIONS)(dice, body or b"\0", other)[:_LARGEST_BYTES]
    return with_checksums(body) if dice.random() < 0.8 else body


def flipped(dice: Random, body: bytes, _other: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(dice.choice((1, 3, 20))):
        changed[_somewhere(dice, body)] ^= 1 << dice.randrange(8)
    return bytes(changed)


def overwritten(dice: Random, body: bytes, _other: bytes) -> bytes:
    """A field says something else: a dimension, a count, a length, an offset."""
    form = dice.choice(("B", ">H", "<H", ">I", "<I"))
    size = struct.calcsize(form)
    field = struct.pack(form, dice.choice(_TELLING) % 256**size)
    start = _somewhere(dice, body)
    return body[:start] + field + body[start + size :]


def resized(dice: Random, body: bytes, _other: bytes) -> bytes:
    """A number of the head that is small, as sizes and counts are, becomes another."""
    head = range(min(HEAD_BYTES, len(body) - 4))
    places = [
        (start, form)
        for start in head
        for form in (">H", "<H", ">I", "<I")
        if 0 < struct.unpack_from(form, body, start)[0] <= 4096
    ]
    if not places:
        return body
    start, form = dice.choice(places)
    size = struct.calcsize(form)
    return body[:start] + struct.pack(form, dice.choice(_TELLING) % 256**size) + body[start + size :]


def cut_off(dice: Random, body: bytes, _other: bytes) -> bytes:
    return body[: dice.randrange(len(body))]


def lengthened(dice: Random, body: bytes, _other: bytes) -> bytes:
    return body + dice.randbytes(dice.choice((1, 100, 100_000)))


def holed(dice: Random, body: bytes, _other: bytes) -> bytes:
    start = _somewhere(dice, body)
    return body[:start] + body[start + dice.choice((1, 4, 64)) :]


def spliced(dice: Random, body: bytes, other: bytes) -> bytes:
    return body[: dice.randrange(len(body))] + other[dice.randrange(len(other)) :]


def swapped(dice: Random, body: bytes, _other: bytes) -> bytes:
    parts = parts_of(body)
    one, another = (dice.randrange(len(parts)) for _ in range(2))
    parts[one], parts[another] = parts[another], parts[one]
    return b"".join(parts)


def repeated(dice: Random, body: bytes, _other: bytes) -> bytes:
    parts = parts_of(body)
    place = dice.randrange(len(parts))
    return b"".join((*parts[:place], *[parts[place]] * dice.choice((2, 20, 2000)), *parts[place + 1 :]))


def left_out(dice: Random, body: bytes, _other: bytes) -> bytes:
    parts = parts_of(body)
    del parts[dice.randrange(len(parts))]
    return b"".join(parts)


def mixed(dice: Random, body: bytes, other: bytes) -> bytes:
    """With a part of another file among its own."""
    parts = parts_of(body)
    parts.insert(dice.randrange(len(parts) + 1), dice.choice(parts_of(other)))
    return b"".join(parts)


def lied(dice: Random, body: bytes, _other: bytes) -> bytes:
    """A part says another length than it has."""
    parts = parts_of(body)
    place = dice.randrange(len(parts))
    changed = bytearray(parts[place])
    if len(changed) < 8:
        return body
    start, form = dice.choice(((0, ">I"), (4, "<I"), (2, ">H")))
    length = struct.unpack_from(form, changed, start)[0]
    lie = dice.choice((length - 1, length + 1, 0, *_TELLING)) % 256 ** struct.calcsize(form)
    struct.pack_into(form, changed, start, lie)
    return b"".join((*parts[:place], changed, *parts[place + 1 :]))


def _somewhere(dice: Random, body: bytes) -> int:
    """In the head as often as in all the rest."""
    return dice.randrange(min(len(body), HEAD_BYTES) if dice.random() < 0.5 else len(body))


MUTATIONS: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    *(flipped, overwritten, resized, cut_off, lengthened, holed),
    *(spliced, swapped, repeated, left_out, mixed, lied),
)
