"""A pin set or removed while a commit is stopped at a step, as when the lock has failed: one whole picture is served."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.pictures import Name, RevisionId, State, Tree
from shared.volume import unwatched
from shared.volume.local.commit import Commit, CommitStep
from shared.volume.local.durable import Flusher
from shared.volume.local.layout import Layout
from shared.volume.local.pictures import whole_pointer
from shared.volume.local.pins import LocalPins
from shared.volume.port import VolumeError
from tests.faults.test_two_commits import BEFORE, MANIFEST, ONE, OTHER, PICTURE, Stop

NAME = Name.parse("movie/1/poster")
CASES = {
    "pinned": (False, LocalPins._pin),
    "unpinned": (True, LocalPins._unpin),
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.prepare()
    commit(layout, BEFORE, expected=None)
    return layout


@pytest.mark.parametrize("step", CommitStep)
@pytest.mark.parametrize("case", CASES)
def test_a_commit_that_says_it_is_done_is_what_is_served(layout: Layout, case: str, step: CommitStep) -> None:
    pinned_before, change = CASES[case]
    pins = LocalPins(layout)
    if pinned_before:
        assert pins._pin(PICTURE, NAME)
    stop = Stop(step)
    with ThreadPoolExecutor(1) as threads:
        committing = threads.submit(commit, layout, ONE, BEFORE, stop)
        assert stop.reached.wait(10)
        assert change(pins, PICTURE, NAME)
        stop.let_go.set()
        failed = committing.exception()
    assert failed is None or isinstance(failed, VolumeError)
    assert failed or served(layout) == ONE
    now = served(layout)
    assert now in (BEFORE, ONE)
    commit(layout, OTHER, expected=now)  # and whoever does it again is not in anybody's way
    assert served(layout) == OTHER
    assert (NAME in pins._names(PICTURE)) is not pinned_before


def served(layout: Layout) -> RevisionId | None:
    """By the first tree that has it."""
    return next(filter(None, (whole_pointer(layout.picture(tree, PICTURE)) for tree in Tree)), None)


def commit(
    layout: Layout,
    revision: RevisionId,
    expected: RevisionId | None,
    on_step: Callable[[str], None] = unwatched,
) -> None:
    draft = layout.new_trash()
    draft.mkdir()
    (draft / "original.jpg").write_text(revision)
    flusher = Flusher(1)
    try:
        made = Commit(layout, PICTURE, revision, flusher=flusher, on_step=on_step)
        made.run(draft, MANIFEST, State(revision=revision), expected)
    finally:
        flusher.close()
