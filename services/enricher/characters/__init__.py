"""Characters: the best picture of whoever is played in a title."""

from services.enricher.characters.opening import CharacterSettings, CharacterWing, open_characters
from services.enricher.characters.steps import GenerationFailed, GenerationPending

__all__ = [
    "CharacterSettings",
    "CharacterWing",
    "GenerationFailed",
    "GenerationPending",
    "open_characters",
]
