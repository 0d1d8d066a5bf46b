"""Text as it is compared, in whatever script: without case, accents and punctuation.

A mark is an accent in Latin, Greek, Cyrillic, Hebrew and Arabic. In other scripts it makes another letter: `ハハ` is a mother and `パパ`
a father, and vowels of Devanagari and Thai are marks.
"""

import re
import unicodedata

_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)


def bare(text: str) -> str:
    """Without case and accents; taken apart as NFKD has it."""
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold())).casefold()


def words_in(bare_text: str) -> list[str]:
    """What stands between spaces and punctuation."""
    if bare_text.isascii():
        return re.findall(r"\w+", bare_text)
    return "".join(one if _is_of_word(one) else " " for one in bare_text).split()


def _is_of_word(char: str) -> bool:
    return char == "_" or char.isalnum() or unicodedata.category(char).startswith("M")
