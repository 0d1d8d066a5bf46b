"""What a stored picture's measure takes away from the score of who has it: too small, blurred, or not one face."""

from shared.pictures import Manifest, Measure

SMALL, LARGE = 50, 200
"""Pixels of the shorter side: with the first all of `OF_SIZE` is taken, from the second on nothing."""

BLURRED, SHARP = 50.0, 150.0
"""The same of its sharpness."""

OF_SIZE, OF_SHARPNESS, OF_FACES = 15.0, 10.0, 10.0
"""The most that each takes away."""


def penalty(manifest: Manifest) -> float:
    """0 to 30."""
    side = min(manifest.original.width, manifest.original.height)
    taken = OF_SIZE * _lacking(side, SMALL, LARGE)
    return round(min(30.0, taken + (_of_measure(manifest.measure) if manifest.measure else 0.0)), 1)


def _of_measure(measure: Measure) -> float:
    taken = OF_SHARPNESS * _lacking(measure.sharpness, BLURRED, SHARP)
    return taken + (OF_FACES if measure.faces not in (None, 1) else 0.0)


def _lacking(value: float, least: float, enough: float) -> float:
    """1 at the least or below, 0 at enough or above."""
    return min(1.0, max(0.0, (enough - value) / (enough - least)))
