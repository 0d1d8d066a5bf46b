"""Integrity on a local volume: every byte of what is served is read and compared with what it should be."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from shared.pictures import Manifest, PictureId, RevisionId, State, Tree, Upload
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import POINTER, is_original, is_spool
from shared.volume.inventory import Damage, Findings, What
from shared.volume.local.durable import read_sums, replace_link, sum_of
from shared.volume.local.layout import Layout
from shared.volume.local.pictures import pointed_at, read_manifest, renditions_in

SETTLED_AFTER_S = 60.0
"""A revision so old is not just being committed."""

_HEAD = 12
_TAIL = 12

_SANITISED = frozenset({"image/svg+xml"})
"""Originals that are not kept as they came: their revision does not say what they are."""


class LocalIntegrity:
    """`Mending` below one directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def examine(self, picture: PictureId) -> Findings:
        return await asyncio.to_thread(self._examine, picture, SETTLED_AFTER_S)

    async def examine_locked(self, picture: PictureId) -> Findings:
        return await asyncio.to_thread(self._examine, picture, 0.0)

    async def take_out(self, findings: Findings) -> None:
        await asyncio.to_thread(self._take_out, findings)

    def _examine(self, picture: PictureId, settled_after_s: float) -> Findings:
        damages: list[Damage] = []
        revision, manifest, size = None, None, 0
        for tree in Tree:
            directory = self._layout.picture(tree, picture)
            if not directory.is_dir():
                continue
            look = _Look(tree, directory, settled_after_s)
            found = list(look.damages())
            if pointed_at(directory) == look.revision:  # else it was replaced while we looked
                damages += found
            size += look.bytes
            if manifest is None and look.manifest:
                revision, manifest = look.revision, look.manifest
        return Findings(picture, revision, manifest, tuple(damages), size)

    def _take_out(self, findings: Findings) -> None:
        for tree in Tree:
            names = {damage.file_name for damage in findings.damages if damage.tree is tree}
            if names:
                self._take_out_of(self._layout.picture(tree, findings.picture), names)

    def _take_out_of(self, directory: Path, names: set[str]) -> None:
        """The pointer last: until then it names what is left of its revision."""
        pointed = pointed_at(directory)
        if STATE in names:
            self._away(directory / STATE)
        if MANIFEST in names and pointed:  # nobody knows what the others should be
            self._away(directory / pointed)
        elif pointed:
            for name in names - {STATE, POINTER}:
                self._away(directory / pointed / name)
        if names & {POINTER, MANIFEST}:
            self._point_at_the_latest(directory)

    def _point_at_the_latest(self, directory: Path) -> None:
        manifests = {entry: read_manifest(entry) for entry in _revisions(directory)}
        whole = {entry: manifest.fetched_at for entry, manifest in manifests.items() if manifest}
        if whole:
            latest = max(whole, key=lambda entry: whole[entry])
            replace_link(directory / POINTER, latest.name, aside=self._layout.scratch)
        else:
            (directory / POINTER).unlink(missing_ok=True)

    def _away(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.rename(self._layout.new_trash())


class _Look:
    """At a picture in one tree."""

    def __init__(self, tree: Tree, directory: Path, settled_after_s: float) -> None:
        self._tree = tree
        self._directory = directory
        self._settled_after_s = settled_after_s
        self.revision: RevisionId | None = pointed_at(directory)
        self.manifest: Manifest | None = None
        self.bytes = 0

    def damages(self) -> Iterator[Damage]:
        if not _is_state(self._directory / STATE):
            yield self._damage(STATE, What.UNREADABLE)
        if self.revision is None:
            if any(map(self._is_settled, _revisions(self._directory))):
                yield self._damage(POINTER, What.MISSING)
            return
        inside = self._directory / self.revision
        if not inside.is_dir():
            yield self._damage(POINTER, What.UNREADABLE)
            return
        self.manifest = read_manifest(inside)
        if self.manifest is None:
            if self._is_settled(inside):
                there = (inside / MANIFEST).exists()
                yield self._damage(MANIFEST, What.UNREADABLE if there else What.MISSING)
            return
        yield from self._damaged_files(inside, self.manifest)

    def _damaged_files(self, inside: Path, manifest: Manifest) -> Iterator[Damage]:
        sums = read_sums(inside)
        for name in sorted(renditions_in(inside)):
            with suppress(FileNotFoundError):  # a spool, or all of it, went while we looked
                if not is_spool(name) and (what := self._wrong_with(inside / name, manifest, sums.get(name))):
                    yield self._damage(name, what)

    def _wrong_with(self, file: Path, manifest: Manifest, sums: frozenset[str] | None) -> What | None:
        size = file.stat().st_size
        self.bytes += size
        if not size:
            return What.EMPTY
        if sums is not None:
            right = sum_of(file) in sums
        elif is_original(file.name) and _is_as_it_came(manifest):
            right = size == manifest.original.bytes and sum_of(file)[:16] == self.revision
        else:
            right = is_whole(file)
        if right:
            return None
        short = size < manifest.original.bytes if is_original(file.name) else not is_whole(file)
        return What.TRUNCATED if short else What.ALTERED

    def _is_settled(self, revision: Path) -> bool:
        try:
            return time.time() - revision.stat().st_mtime >= self._settled_after_s
        except FileNotFoundError:
            return False

    def _damage(self, file_name: str, what: What) -> Damage:
        return Damage(self._tree, file_name, what)


def _revisions(directory: Path) -> list[Path]:
    return [entry for entry in directory.iterdir() if entry.is_dir() and not entry.is_symlink()]


def _is_as_it_came(manifest: Manifest) -> bool:
    """Whether its revision, which is a hash of what came, says what the original is."""
    try:
        Upload.parse(manifest.source_url)
    except ValueError:
        return manifest.original.mime not in _SANITISED
    return False


def _is_state(file: Path) -> bool:
    """None at all is as good as one that can be read."""
    try:
        State.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return True
    except ValidationError:
        return False
    return True


def is_whole(file: Path) -> bool:
    """Whether a picture file ends where its container says, as far as that can be seen without decoding it.

    False: it is empty, or ends early. True says nothing of what is inside.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
        opened.seek(max(0, size - _TAIL))
        tail = opened.read()
    check = _CHECKS.get(file.suffix.removeprefix("."))
    return size > 0 and (check is None or check(head, tail, size))


def _webp(head: bytes, _tail: bytes, size: int) -> bool:
    """RIFF tells the bytes that follow its first eight, which are padded to an even number."""
    told = int.from_bytes(head[4:8], "little") + 8
    return head[:4] == b"RIFF" and size in (told, told + told % 2)


def _jpg(head: bytes, tail: bytes, _size: int) -> bool:
    return head[:2] == b"\xff\xd8" and b"\xff\xd9" in tail


def _png(head: bytes, tail: bytes, _size: int) -> bool:
    return head[:8] == b"\x89PNG\r\n\x1a\n" and tail[-8:-4] == b"IEND"


def _gif(head: bytes, tail: bytes, _size: int) -> bool:
    return head[:4] == b"GIF8" and b"\x3b" in tail


_CHECKS: dict[str, Callable[[bytes, bytes, int], bool]] = {
    "webp": _webp,
    "jpg": _jpg,
    "png": _png,
    "gif": _gif,
}
"""Of formats that tell. An original may have some bytes after its end, as cameras and old programs leave them."""
