"""What a title is: providers have other words for it, and other addresses."""

from enum import StrEnum


class TitleKind(StrEnum):
    MOVIE = "movie"
    TV = "tv"
