"""A volume with very many pictures on it, made in a moment: all of them are links to the same few files."""

import os
from pathlib import Path

from shared.pictures import PictureId, Tree, picture_id, picture_path
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import POINTER

REVISION = "0123456789abcdef"
MODEL = "model"


def source_of(number: int) -> str:
    return f"http://a.example/{number}.jpg"


def crowd(root: Path, count: int, files: dict[str, bytes], *, manifest: str, state: str) -> list[PictureId]:
    """So many pictures in `cache`, each with one revision that has these files."""
    contents = {**files, MANIFEST: manifest.encode(), STATE: state.encode()}
    models = [root.parent / MODEL / str(number) for number in range(1 + count // 10_000)]
    for model in models:  # a file has some 65,000 names at most
        model.mkdir(parents=True)
        for name, body in contents.items():
            (model / name).write_bytes(body)
    pictures = [picture_id(source_of(number)) for number in range(count)]
    for number, picture in enumerate(pictures):
        _link(models[number // 10_000], root / picture_path(Tree.CACHE, picture), contents)
    return pictures


def _link(model: Path, directory: Path, names: dict[str, bytes]) -> None:
    revision = directory / REVISION
    revision.mkdir(parents=True)
    for name in names:
        os.link(model / name, (directory if name == STATE else revision) / name)
    (directory / POINTER).symlink_to(REVISION)
