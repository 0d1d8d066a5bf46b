"""Characters: the best picture of whoever is played in a title."""

from services.enricher.characters.chain import GenerationFailed, GenerationPending, Generator
from services.enricher.characters.opening import CharacterSettings, CharacterWing, open_characters

__all__ = [
    "CharacterSettings",
    "CharacterWing",
    "GenerationFailed",
    "GenerationPending",
    "Generator",
    "open_characters",
]
