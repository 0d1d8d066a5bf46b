"""Guessing title and year from a name. It stands apart, and imports little, because its processes load it anew each."""

from services.enricher.library.guessing.guesser import Guess, Guesser

__all__ = ["Guess", "Guesser"]
