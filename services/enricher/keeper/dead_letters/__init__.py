"""Dead letters: jobs that failed for good, kept until an operator sends them again or drops them.

The lane `dead` is read into a table, for a queue cannot be browsed without taking from it. A letter is sent again once,
whoever asks for it at the same time.
"""

from services.enricher.keeper.dead_letters.redriving import (
    LetterTaken,
    NotReadable,
    OpenDeadLetters,
    open_dead_letters,
)
from services.enricher.keeper.dead_letters.table import Letter, LetterFilter

__all__ = ["Letter", "LetterFilter", "LetterTaken", "NotReadable", "OpenDeadLetters", "open_dead_letters"]
