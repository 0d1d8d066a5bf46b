"""What may be read of a picture: the bytes of every file, whole, for each state of the source's bytes."""

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

from services.fetcher.rendering.render import Order, render
from services.fetcher.settings import RenderSettings
from shared.pictures import Rendition, RevisionId, extension_of, revision_id


@dataclass(frozen=True)
class Version:
    """One state of a picture. `files`: the original and its renditions, by file name."""

    revision: RevisionId
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, body: bytes, *batches: str) -> Self:
        """`batches`: renditions as `medium.webp small.jpg`, those made of one decode together.

        What is made together is not quite what is made apart: a small one may be scaled from a larger one.
        """
        files: dict[str, bytes] = {}
        for batch in batches or ("",):
            files |= _rendered(body, batch)
        return cls(revision_id(hashlib.sha256(body).hexdigest()), files)


@lru_cache(maxsize=256)
def _rendered(body: bytes, batch: str) -> Mapping[str, bytes]:
    settings = RenderSettings()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        original = directory / "download"
        original.write_bytes(body)
        renditions = tuple(map(Rendition.parse, batch.split()))
        made = render(Order(original, directory, renditions, settings.quality, settings.max_pixels))
        files = {str(rendition): (directory / str(rendition)).read_bytes() for rendition in renditions}
        return {f"original.{extension_of(made.mime)}": body, **files}


def file_names(versions: Iterable[Version]) -> frozenset[str]:
    return frozenset(name for version in versions for name in version.files)
