"""Colour spaces that are said by numbers instead of an ICC profile: code points (CICP), gamma and chromaticities.

Each is made the profile that says the same, so that one way leads to sRGB; what is brighter than that can show
is brought down first, by a table over all colours.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from PIL import ImageFilter

Point = tuple[float, float]
Row = tuple[float, float, float]
Matrix = tuple[Row, Row, Row]
Curve = Callable[[float], float]

_D65: Point = (0.3127, 0.3290)
_C: Point = (0.310, 0.316)
_DCI: Point = (0.314, 0.351)
_E: Point = (1 / 3, 1 / 3)


@dataclass(frozen=True, slots=True)
class Primaries:
    """Chromaticities, CIE 1931 x and y."""

    red: Point
    green: Point
    blue: Point
    white: Point

    def to_xyz(self) -> Matrix:
        """From linear light, white at 1, 1, 1. Raise ZeroDivisionError where they span nothing."""
        columns = [(x / y, 1.0, (1 - x - y) / y) for x, y in (self.red, self.green, self.blue)]
        x, y = self.white
        spanned = _transposed((columns[0], columns[1], columns[2]))
        shares = _applied(_inverse(spanned), (x / y, 1.0, (1 - x - y) / y))
        red, green, blue = ((a * shares[0], b * shares[1], c * shares[2]) for a, b, c in spanned)
        return red, green, blue


BT709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
_BT2020 = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)

# ITU-T H.273, table 2. What is not specified, or reserved, is taken for the usual.
_PRIMARIES = {
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: _BT2020,
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), _E),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}

SRGB_TRANSFER, PQ, HLG = 13, 16, 18

_SRGB_GAMMA = 1 / 2.2
_SAME_GAMMA = 0.01
"""How far from sRGB's a gamma is sRGB's: it is written in roundings."""

SDR_WHITE_NITS = 203.0
"""Of what is no brighter than paper, among brighter things (ITU-R BT.2408, section 2.2)."""

_PEAK_NITS = 1000.0
"""Of a picture that does not say how bright its brightest light is: what most are mastered for."""

_HLG_PEAK_NITS = 1000.0
_LATTICE = 33
_CURVE_POINTS = 4096


@dataclass(frozen=True, slots=True)
class ColorSpace:
    """`transfer`: a code point of H.273; or none, and then `gamma`: the exponent that led from light to samples."""

    primaries: Primaries
    transfer: int | None
    peak_nits: float = _PEAK_NITS
    """The brightest light, where the transfer reaches beyond what sRGB can show."""
    gamma: float = 1.0

    @classmethod
    def of_code_points(cls, primaries: int, transfer: int, peak_nits: float | None = None) -> Self | None:
        """None for sRGB."""
        if transfer not in _DECODING:
            transfer = SRGB_TRANSFER
        if transfer == SRGB_TRANSFER and primaries not in _PRIMARIES:
            return None
        return cls(_PRIMARIES.get(primaries, BT709), transfer, max(peak_nits or _PEAK_NITS, SDR_WHITE_NITS))

    @classmethod
    def of_gamma(cls, gamma: float, primaries: Primaries | None) -> Self | None:
        """None for sRGB, which a gamma alone may mean, and for chromaticities that span no colours."""
        if primaries is None:
            return None if abs(gamma - _SRGB_GAMMA) < _SAME_GAMMA else cls(BT709, None, gamma=gamma)
        try:
            _inverse(primaries.to_xyz())
        except ZeroDivisionError:
            return None
        is_srgb = abs(gamma - _SRGB_GAMMA) < _SAME_GAMMA and _alike(primaries, BT709)  # which many write so
        return None if is_srgb else cls(primaries, None, gamma=gamma)

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (PQ, HLG)


@lru_cache(8)
def profile_of(space: ColorSpace, *, grey: bool) -> bytes:
    """The ICC profile (4.2) of a space that is not brighter than sRGB."""
    curve = _icc_curve(space)
    tags = [(b"wtpt", _icc_xyz(_D50))]
    if grey:
        tags.append((b"kTRC", curve))
    else:
        adapted = _product(_to_d50(space.primaries.white), space.primaries.to_xyz())
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _transposed(adapted), strict=True):
            tags.append((name, _icc_xyz(column)))
        tags.extend((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC"))
    return _icc_file(b"GRAY" if grey else b"RGB ", tags)


@lru_cache(4)
def tone_mapping(space: ColorSpace) -> ImageFilter.Color3DLUT:
    """From samples of a space that is brighter than sRGB to sRGB: ITU-R BT.2390's EETF on the luminance. What lies
    outside of the gamut is cut off at its edge, as browsers do, and not before it has been interpolated.
    """
    to_709 = _product(_inverse(BT709.to_xyz()), space.primaries.to_xyz())
    luma = space.primaries.to_xyz()[1]
    assert space.transfer is not None
    light = [_DECODING[space.transfer](at / (_LATTICE - 1)) for at in range(_LATTICE)]

    def mapped(red: float, green: float, blue: float) -> tuple[float, float, float]:
        rgb = tuple(light[round(value * (_LATTICE - 1))] for value in (red, green, blue))
        shown = _displayed(space, (rgb[0], rgb[1], rgb[2]), luma)
        nits = sum(k * value for k, value in zip(luma, shown, strict=True))
        scale = _eetf(nits, space.peak_nits) / nits / SDR_WHITE_NITS if nits > 0 else 0.0
        wide = _applied(to_709, (shown[0] * scale, shown[1] * scale, shown[2] * scale))
        a, b, c = (_srgb_encoded(value) for value in wide)
        return a, b, c

    return ImageFilter.Color3DLUT.generate(_LATTICE, mapped)


def _displayed(space: ColorSpace, rgb: Row, luma: Row) -> Row:
    """Light of the display, in nits. HLG says that of the scene: its OOTF (BT.2100, table 5) leads from there."""
    if space.transfer == PQ:
        return rgb
    scene = sum(k * value for k, value in zip(luma, rgb, strict=True))
    gain = _HLG_PEAK_NITS * scene**0.2 if scene > 0 else 0.0
    return rgb[0] * gain, rgb[1] * gain, rgb[2] * gain


def _eetf(nits: float, peak_nits: float) -> float:
    """ITU-R BT.2390-11, section 5.4.1: straight up to a knee, then a Hermite spline; black stays black."""
    source = _pq_encoded(peak_nits)
    brightest = _pq_encoded(SDR_WHITE_NITS) / source
    knee = 1.5 * brightest - 0.5
    value = min(_pq_encoded(nits) / source, 1.0)
    if brightest < 1 and value > knee:
        t = (value - knee) / (1 - knee)
        value = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (-2 * t**3 + 3 * t**2) * brightest
        )
    return _pq_decoded(value * source)


# Transfers, from samples to linear light: 1 is white, or for PQ nits.
def _bt1886(value: float) -> float:
    """What screens do with samples that cameras have coded by BT.709, 601 or 2020."""
    return float(value**2.4)


def _srgb_decoded(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB


def _srgb_encoded(light: float) -> float:
    if light < 0:
        return -_srgb_encoded(-light)
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055  # noqa: PLR2004 - sRGB


def _smpte240(value: float) -> float:
    return value / 4 if value < 0.0913 else ((value + 0.1115) / 1.1115) ** (1 / 0.45)  # noqa: PLR2004 - 240M


def _hlg_decoded(value: float) -> float:
    """BT.2100, table 5: the light of the scene."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return value**2 / 3 if value <= 0.5 else (2.718281828459045 ** ((value - c) / a) + b) / 12  # noqa: PLR2004


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _pq_decoded(value: float) -> float:
    """Nits (SMPTE ST 2084)."""
    root = value ** (1 / _M2)
    return float(10_000 * (max(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def _pq_encoded(nits: float) -> float:
    share = (max(nits, 0) / 10_000) ** _M1
    return float(((_C1 + _C2 * share) / (1 + _C3 * share)) ** _M2)


_DECODING: dict[int, Curve] = {
    1: _bt1886,
    4: lambda value: value**2.2,
    5: lambda value: value**2.8,
    6: _bt1886,
    7: _smpte240,
    8: lambda value: value,
    9: lambda value: 10 ** (2 * (value - 1)) if value > 0 else 0,
    10: lambda value: 10 ** (2.5 * (value - 1)) if value > 0 else 0,
    11: _bt1886,
    12: _bt1886,
    SRGB_TRANSFER: _srgb_decoded,
    14: _bt1886,
    15: _bt1886,
    PQ: _pq_decoded,
    17: lambda value: min(value**2.6 * 52.37 / 48, 1),
    HLG: _hlg_decoded,
}


# ICC.1:2010 (4.2).
_D50: Row = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def _to_d50(white: Point) -> Matrix:
    x, y = white
    seen = _applied(_BRADFORD, (x / y, 1.0, (1 - x - y) / y))
    wanted = _applied(_BRADFORD, _D50)
    scaled = [tuple(wanted[at] / seen[at] * value for value in row) for at, row in enumerate(_BRADFORD)]
    rows = [(row[0], row[1], row[2]) for row in scaled]
    return _product(_inverse(_BRADFORD), (rows[0], rows[1], rows[2]))


def _icc_curve(space: ColorSpace) -> bytes:
    if space.transfer is None:
        return b"para" + bytes(4) + struct.pack(">2Hi", 0, 0, _fixed(1 / space.gamma))
    decode = _DECODING[space.transfer]
    points = [round(65_535 * min(decode(at / (_CURVE_POINTS - 1)), 1)) for at in range(_CURVE_POINTS)]
    return b"curv" + bytes(4) + struct.pack(f">I{_CURVE_POINTS}H", _CURVE_POINTS, *points)


def _icc_xyz(row: Row) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *map(_fixed, row))


def _icc_file(kind: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    at = 128 + 4 + 12 * len(tags)
    directory, data = b"", b""
    for name, content in tags:
        directory += struct.pack(">4s2I", name, at + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", at + len(data), 0x04200000, b"mntr", kind, b"XYZ ", b"acsp")
    head += bytes(28) + struct.pack(">3i", *map(_fixed, _D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + directory + data


def _fixed(value: float) -> int:
    return max(-(2**31), min(2**31 - 1, round(value * 65_536)))


def _alike(one: Primaries, other: Primaries) -> bool:
    pairs = zip(
        (*one.red, *one.green, *one.blue, *one.white),
        (*other.red, *other.green, *other.blue, *other.white),
        strict=True,
    )
    return all(abs(a - b) < 0.002 for a, b in pairs)  # noqa: PLR2004 - roundings


def _applied(matrix: Matrix, row: Row) -> Row:
    a, b, c = (sum(k * value for k, value in zip(line, row, strict=True)) for line in matrix)
    return a, b, c


def _product(one: Matrix, other: Matrix) -> Matrix:
    a, b, c = (_applied(one, column) for column in _transposed(other))
    return _transposed((a, b, c))


def _transposed(matrix: Matrix) -> Matrix:
    a, b, c = zip(*matrix, strict=True)
    return a, b, c


def _inverse(matrix: Matrix) -> Matrix:
    """Raise ZeroDivisionError where there is none."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    share = 1 / (0 if abs(determinant) < 1e-9 else determinant)  # noqa: PLR2004 - no more than rounding leaves
    return (
        ((e * i - f * h) * share, (c * h - b * i) * share, (b * f - c * e) * share),
        ((f * g - d * i) * share, (a * i - c * g) * share, (c * d - a * f) * share),
        ((d * h - e * g) * share, (b * g - a * h) * share, (a * e - b * d) * share),
    )
