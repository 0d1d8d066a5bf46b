"""Dead letters: jobs that failed for good, kept until an operator sends them again or drops them.

The lane `dead` is read into a table, for a queue cannot be browsed without taking from it. A letter is sent again once,
whoever asks for it at the same time.
"""

from services.enricher.dead_letters.letter import Filter, Letter
from services.enricher.dead_letters.opening import OpenDeadLetters, open_dead_letters
from services.enricher.dead_letters.redriving import LetterTaken, NotReadable

__all__ = ["Filter", "Letter", "LetterTaken", "NotReadable", "OpenDeadLetters", "open_dead_letters"]
