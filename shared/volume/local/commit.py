"""The commit: a draft becomes a revision, and one pointer is switched to it.

Everything here may be interrupted at any line, by a kill or by a suspension that outlasts the lock, and
leaves the old picture or the new one, whole. Runs in a thread; knows nothing of asyncio.
"""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from shared.pictures import Manifest, PictureId, RevisionId, State, Tree
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import POINTER
from shared.volume.local.durable import (
    SUMS,
    FileState,
    Flusher,
    add_sums,
    make_directories,
    replace_link,
    state_of,
    write_aside,
)
from shared.volume.local.layout import Layout
from shared.volume.local.pictures import pointed_at, read_manifest, renditions_in, whole_pointer
from shared.volume.port import OnStep, Revision, RevisionGone, Superseded, VolumeError


class CommitStep(StrEnum):
    """Named, so that tests can stop or kill a process at each of them."""

    DRAFT_FLUSHED = "draft flushed"
    REVISION_PLACED = "revision placed"
    POINTER_COMPARED = "pointer compared"
    POINTER_PREPARED = "pointer prepared"
    POINTER_SWITCHED = "pointer switched"
    POINTER_FLUSHED = "pointer flushed"
    STATE_REPLACED = "state replaced"
    OLD_REVISIONS_REMOVED = "old revisions removed"


CommitSteps = Generator[Iterable[Path], None, Revision]
"""A commit as it goes on: what it yields is to be flushed before it goes on."""


def committed_together(
    commits: Sequence[CommitSteps], flusher: Flusher
) -> Sequence[Revision | VolumeError | OSError]:
    """Step by step, all of them, each time with one round of flushes. Raise OSError where a flush fails."""
    outcomes: dict[int, Revision | VolumeError | OSError] = {}
    while len(outcomes) < len(commits):
        unflushed: dict[Path, None] = {}
        for number, steps in enumerate(commits):
            if number in outcomes:
                continue
            try:
                unflushed |= dict.fromkeys(next(steps))
            except StopIteration as end:
                outcomes[number] = end.value
            except (VolumeError, OSError) as error:
                outcomes[number] = error
        flusher.flush_all(unflushed)
    return [outcomes[number] for number in range(len(commits))]


class Commit:
    """One commit of one revision of one picture."""

    def __init__(
        self,
        layout: Layout,
        picture: PictureId,
        revision: RevisionId,
        *,
        into: Tree = Tree.CACHE,
        flusher: Flusher,
        on_step: OnStep,
        with_it: Callable[[], Iterable[Path]] = tuple,
    ) -> None:
        """`with_it`: what else is done once the pointer is switched; it returns what is to be flushed then."""
        self._with_it = with_it
        self._layout = layout
        self._picture = picture
        self._revision = revision
        self._flusher = flusher
        self._at = on_step
        self._unflushed: list[Path] = []
        # The tree is chosen here, that is under the lock: a picture may have been pinned meanwhile.
        self._tree = Tree.KEEP if self._is_kept() else into
        self._directory = layout.picture(self._tree, picture)

    def run(
        self,
        draft: Path,
        manifest: Manifest,
        state: State,
        expected: RevisionId | None,
        *,
        flushed: AbstractSet[FileState] = frozenset(),
    ) -> Revision:
        """`flushed`: what of the draft is on the disk already."""
        steps = self.steps(draft, manifest, state, expected, flushed=flushed)
        [outcome] = committed_together([steps], self._flusher)
        if isinstance(outcome, Revision):
            return outcome
        raise outcome

    def steps(
        self,
        draft: Path,
        manifest: Manifest,
        state: State,
        expected: RevisionId | None,
        *,
        flushed: AbstractSet[FileState] = frozenset(),
    ) -> CommitSteps:
        """The same beside others."""
        state_aside = yield from self._flush(draft, manifest, state, flushed)
        try:
            self._place(draft)
            self._compare(expected)
            yield from self._switch()
            self._replace_state(state_aside)
            self._remove_older(expected)
        except FileNotFoundError as error:
            raise RevisionGone("the picture was removed while it was being committed") from error
        made = self._directory / self._revision
        held = read_manifest(made)
        if held is None:
            raise RevisionGone("the revision was removed right after its commit")
        return Revision(self._picture, self._revision, self._tree, held, renditions_in(made))

    def _flush(
        self, draft: Path, manifest: Manifest, state: State, flushed: AbstractSet[FileState]
    ) -> Generator[Iterable[Path], None, Path]:
        """Bring all bytes of the revision to the disk before any of them can be seen; return the new state, aside."""
        state_aside = write_aside(state.model_dump_json(), aside=self._layout.scratch)
        add_sums(draft, (draft / name for name in sorted(renditions_in(draft))))
        (draft / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
        # Not the sums: of a file whose line a power cut took, its revision or its own end is compared, as of any older one.
        # Nor the state: one that a power cut took or emptied counts as none, and the source is asked again.
        unflushed = [file for file in draft.iterdir() if file.name != SUMS and state_of(file) not in flushed]
        yield (*unflushed, draft)
        self._at(CommitStep.DRAFT_FLUSHED)
        return state_aside

    def _place(self, draft: Path) -> None:
        self._unflushed = [*make_directories(self._directory), self._directory]
        target = self._directory / self._revision
        if target.exists() and read_manifest(target) is None:
            target.rename(self._layout.new_trash())
        try:
            draft.rename(target)
        except OSError:
            if read_manifest(target) is None:
                raise
            # The same bytes were committed before: that revision stays, and gets what it lacks.
            lacking = renditions_in(draft) - renditions_in(target)
            add_sums(target, (draft / name for name in sorted(lacking)))
            for name in lacking:
                (draft / name).rename(target / name)
            self._unflushed.append(target)
        self._at(CommitStep.REVISION_PLACED)

    def _compare(self, expected: RevisionId | None) -> None:
        found = whole_pointer(self._directory)
        if found not in (expected, self._revision):
            raise Superseded("the pointer was switched to another revision meanwhile")
        self._at(CommitStep.POINTER_COMPARED)

    def _switch(self) -> Iterator[Iterable[Path]]:
        link = self._layout.scratch / f"{self._picture}.{os.getpid()}.{id(self)}"
        link.unlink(missing_ok=True)
        link.symlink_to(self._revision)
        self._at(CommitStep.POINTER_PREPARED)
        link.replace(self._directory / POINTER)
        self._at(CommitStep.POINTER_SWITCHED)
        self._mend()
        self._unflushed += self._with_it()
        # Last, all at once: until then a power cut may leave a pointer to nothing, which counts as none.
        yield self._unflushed
        self._at(CommitStep.POINTER_FLUSHED)

    def _mend(self) -> None:
        """Whoever was suspended between comparing and switching may point at a revision that is gone.

        Without a lock that holds, nothing can forbid it; so whoever switches or removes looks again
        afterwards: one of the two comes last, and sees it.
        """
        if self._tree is Tree.CACHE and self._is_kept():
            raise Superseded("the picture was pinned meanwhile")
        if whole_pointer(self._directory) is None:
            manifests = {entry: read_manifest(entry) for entry in self._revisions()}
            whole = {entry: manifest.fetched_at for entry, manifest in manifests.items() if manifest}
            if whole:
                latest = max(whole, key=lambda entry: whole[entry])
                replace_link(self._directory / POINTER, latest.name, aside=self._layout.scratch)
            else:
                (self._directory / POINTER).unlink(missing_ok=True)
        if read_manifest(self._directory / self._revision) is None:
            raise Superseded("the revision was removed by a commit that came in between")

    def _replace_state(self, state_aside: Path) -> None:
        state_aside.replace(self._directory / STATE)
        self._at(CommitStep.STATE_REPLACED)

    def _remove_older(self, previous: RevisionId | None) -> None:
        """Keep the current and the previous revision: somebody may be reading the one before.

        The current one need not be ours any more, where the lock has failed.
        """
        kept = {self._revision, previous, pointed_at(self._directory)}
        for entry in self._revisions():
            if entry.name not in kept:
                with suppress(FileNotFoundError):  # somebody else's commit was faster
                    entry.rename(self._layout.new_trash())
        if self._tree is Tree.KEEP:  # what was cached when it was pinned shows the picture of then
            with suppress(FileNotFoundError):
                self._layout.picture(Tree.CACHE, self._picture).rename(self._layout.new_trash())
        self._mend()
        self._at(CommitStep.OLD_REVISIONS_REMOVED)

    def _revisions(self) -> list[Path]:
        return [entry for entry in self._directory.iterdir() if entry.is_dir() and not entry.is_symlink()]

    def _is_kept(self) -> bool:
        """Not by what a commit has left there that was stopped while the picture was unpinned."""
        return whole_pointer(self._layout.picture_at(Tree.KEEP, self._picture)) is not None
