"""Languages, in one writing: TVDB's are ISO 639-3, the others' ISO 639-1."""

from functools import cache

from babelfish import Error, Language  # type: ignore[import-untyped] # as it is


@cache
def two_letters(code: str) -> str:
    """`eng` and `en-US` are `en`. What has no two letters (`yue`), or is no language, stays as it is."""
    plain = code.strip().lower().partition("-")[0]
    if len(plain) <= 2:  # noqa: PLR2004 - two letters already
        return plain
    try:
        return str(Language(plain).alpha2)
    except (Error, ValueError):
        return "zh" if plain == "zhtw" else plain


_TVDB_COUNTRIES = {"pt": "BR", "por": "PT", "zhtw": "TW", "zho": "CN"}


def country_in(code: str) -> str | None:
    """Of `pt-BR` it is `BR`."""
    country = code.strip().partition("-")[2].upper()
    return country if len(country) == 2 and country.isalpha() else None  # noqa: PLR2004 - two letters


def country_of_tvdb(code: str) -> str | None:
    """Some of TVDB's languages are those of one country."""
    return _TVDB_COUNTRIES.get(code.strip().lower())
