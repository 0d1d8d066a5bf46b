"""Two commits to one picture at once, as when the lock has failed, stopped against each other at every pair of steps."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.pictures import Manifest, Original, PictureId, Placeholder, RevisionId, State, Tree
from shared.volume import unwatched
from shared.volume.local.commit import Commit, CommitStep
from shared.volume.local.durable import Flusher
from shared.volume.local.layout import Layout
from shared.volume.port import VolumeError

PICTURE = PictureId("ab" * 16)
BEFORE, ONE, OTHER = (RevisionId(digit * 16) for digit in "012")
MANIFEST = Manifest(
    source_url="https://example.org/1.jpg",
    provider=None,
    original=Original(mime="image/jpeg", bytes=1, width=1, height=1),
    placeholder=Placeholder(color="#000000"),
    fetched_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class Stop:
    """A commit waits at one step until it is let go."""

    def __init__(self, at: CommitStep) -> None:
        self._at = at
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, step: str) -> None:
        if step == self._at:
            self.reached.set()
            assert self.let_go.wait(10)


@pytest.mark.parametrize("other", [ONE, OTHER], ids=["same bytes", "other bytes"])
@pytest.mark.parametrize("expected", [None, BEFORE], ids=["miss", "refresh"])
def test_whatever_their_order_the_pointer_names_one_whole_revision(
    tmp_path: Path, expected: RevisionId | None, other: RevisionId
) -> None:
    found = {}
    for number, steps in enumerate(itertools.product(CommitStep, CommitStep)):
        layout = Layout(tmp_path / str(number))
        layout.prepare()
        if expected:
            commit(layout, expected, expected=None)
        interleave(layout, expected, other, *map(Stop, steps))
        found[steps] = named_revision(layout)
    assert set(found.values()) <= {ONE, other, *([expected] if expected else [])}, found


def interleave(
    layout: Layout, expected: RevisionId | None, other: RevisionId, first: Stop, second: Stop
) -> None:
    """The first goes as far as its step, the second as far as its own; the first ends, the second ends."""
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(commit, layout, ONE, expected, first)
        assert first.reached.wait(10)
        two = threads.submit(commit, layout, other, expected, second)
        while not (second.reached.wait(0.001) or two.done()):
            pass
        first.let_go.set()
        one.result()
        second.let_go.set()
        two.result()


def commit(
    layout: Layout,
    revision: RevisionId,
    expected: RevisionId | None,
    on_step: Callable[[str], None] = unwatched,
) -> None:
    """As a job does it: whoever is told that another was faster has nothing more to do."""
    draft = layout.new_trash()
    draft.mkdir()
    (draft / "original.jpg").write_text(revision)
    with closing(Flusher(1)) as flusher, suppress(VolumeError):
        commit = Commit(layout, PICTURE, revision, flusher=flusher, on_step=on_step)
        commit.run(draft, MANIFEST, State(revision=revision), expected)


def named_revision(layout: Layout) -> str | None:
    """None where the pointer names nothing, or nothing whole."""
    revision = layout.picture(Tree.CACHE, PICTURE) / "current"
    return (revision / "original.jpg").read_text() if (revision / "manifest.json").exists() else None
