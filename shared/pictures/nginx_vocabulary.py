"""The vocabulary: what nginx has to know of pictures' public paths, as assignments of a shell.

    python -m shared.pictures.nginx_vocabulary >deploy/nginx/vocabulary

`deploy/nginx/render` reads that file, so that no Python is needed where nginx runs.
"""

import re
import sys
from collections.abc import Iterable

from shared.pictures import public_paths
from shared.pictures.cache_control import DAY, YEAR
from shared.pictures.hosts import PICTURE_HOSTS
from shared.pictures.name import HASHED, LONGEST_FILE_BYTES, LONGEST_ID, PRIVATE_PREFIX, Kind, Role
from shared.pictures.rendition import ORIGINAL_EXTENSIONS, SIZES, Format, media_type_of
from shared.pictures.source import PRIVATE_ENDING, USUAL_LENGTH

_HEAD = "# What nginx must know of pictures' paths. Written by `python -m shared.pictures.nginx_vocabulary`, read by `render`.\n"
_LEFT_TO_PROXIES = "svg"


def vocabulary(paths: public_paths.PublicPaths = public_paths.PUBLIC_PATHS) -> str:
    """Alternatives are told apart by `|`, as in a pattern; entries of several words by lines."""
    words = {
        "SIZES": "|".join(SIZES),
        "TMDB_SIZES": "|".join(public_paths.TMDB_SIZES),
        "FORMATS": "|".join(Format),
        "ORIGINALS": "|".join(one for one in ORIGINAL_EXTENSIONS if one != _LEFT_TO_PROXIES),
        "KINDS": "|".join(Kind),
        "NUMBERED_KINDS": "|".join(public_paths.NUMBERED_KINDS),
        "ROLES": "|".join(Role),
        "TMDB_FILE": public_paths.TMDB_FILE,
        "LONGEST_URL": str(USUAL_LENGTH),
        "LONGEST_ID": str(LONGEST_ID),
        "LONGEST_FILE_BYTES": str(LONGEST_FILE_BYTES),
        "HASHED": HASHED,
        "PRIVATE_PREFIX": PRIVATE_PREFIX,
        "PRIVATE_ENDING": PRIVATE_ENDING,
        "DAY": DAY,
        "YEAR": YEAR,
        "SOURCE": paths.source.pattern,
        "STORED": _before_placeholders(paths.stored.pattern),
        "NAMED": _before_placeholders(paths.name.pattern),
        "KEYED": "|".join(
            one.removeprefix("/").replace(".", "[.]")
            for one in (
                public_paths.KEY_CHECK.replace("{key}", "[^/]+"),
                *(form.bounded(named=False) for form in paths.all(public_paths.KeyedForm)),
            )
        ),
        "TMDB": "|".join(_before_placeholders(form.pattern) for form in paths.all(public_paths.TmdbForm)),
        "FILES": _lines(
            f"{_plain(form)} {form.kind} {form.role}" for form in paths.all(public_paths.FileForm)
        ),
        "VIDEOS": "|".join(public_paths.VIDEO_FOLDERS),
        "VIDEO_NAME": public_paths.VIDEO_NAME,
        "TYPES": _lines(f"{one} {media_type_of(one)}" for one in ORIGINAL_EXTENSIONS),
        "HOSTS": _lines(
            f"{one.host} {one.provider} {'year' if one.immutable else 'day'}" for one in PICTURE_HOSTS
        ),
    }
    return _HEAD + "".join(f"{name}='{value}'\n" for name, value in words.items())


def _before_placeholders(pattern: str) -> str:
    return pattern.partition("/{")[0]


def _plain(form: public_paths.FileForm) -> str:
    """With the id called `{id}`, or `{title}`, and without the format: `/data/images/artwork/{other}/stream_{id}`."""
    called = "{title}" if form.is_titled else "{id}"
    return re.sub(
        r"\{(\w+)\}",
        lambda found: called if found[1] == form.id_placeholder else "{other}",
        form.pattern.removesuffix(".{format}"),
    )


def _lines(entries: Iterable[str]) -> str:
    return "\n".join(entries)


if __name__ == "__main__":
    sys.stdout.write(vocabulary())
