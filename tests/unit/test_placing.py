"""Files in a folder that is not ours alone: whole or not there, and nobody else's is ever touched."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.enricher.streamers.placing import (
    ExportFolder,
    Noted,
    Placed,
    PlacingStep,
    Prepared,
    WantedFile,
    identity_of,
)

PATH = ".images/profiles/profile_avatar_1.jpg"
OLD, NEW, FOREIGN = b"old" * 1000, b"new" * 2000, b"somebody else's"


class KilledError(BaseException):
    pass


@dataclass
class Placing:
    """A folder with what is noted of it, as an export goes about it."""

    root: Path
    notes: list[Noted] = field(default_factory=list)
    kill_at: PlacingStep | None = None

    def put(self, content: Path | bytes, made_of: str) -> Placed:
        folder = ExportFolder(self.root, at=self._step)
        prepared = folder.prepare(WantedFile(PATH, made_of, content), self.notes)
        if not isinstance(prepared, Prepared):
            return prepared
        self.notes.append(prepared.noted)
        return folder.place(prepared)

    def remove(self) -> bool:
        return ExportFolder(self.root, at=self._step).remove(PATH, self.notes)

    def sweep(self) -> None:
        ExportFolder(self.root).sweep(self.target.parent)

    @property
    def target(self) -> Path:
        return self.root / PATH

    def _step(self, step: PlacingStep) -> None:
        if step is self.kill_at:
            raise KilledError


@pytest.fixture
def placing(tmp_path: Path) -> Placing:
    return Placing(tmp_path / "recordings")


@pytest.fixture
def original(tmp_path: Path) -> Path:
    file = tmp_path / "original.jpg"
    file.write_bytes(OLD)
    return file


def test_what_can_be_linked_takes_no_room(placing: Placing, original: Path) -> None:
    assert placing.put(original, "1") is Placed.PLACED
    assert placing.target.samefile(original)
    assert placing.put(original, "1") is Placed.WAS_THERE
    assert [one.name for one in placing.target.parent.iterdir()] == [placing.target.name]


def test_on_another_file_system_it_is_copied(
    placing: Placing, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", elsewhere)
    assert placing.put(original, "1") is Placed.PLACED
    assert placing.target.read_bytes() == OLD
    assert not placing.target.samefile(original)
    assert placing.put(NEW, "2") is Placed.PLACED
    assert placing.target.read_bytes() == NEW


@pytest.mark.parametrize("step", [PlacingStep.MADE, PlacingStep.NOTED, PlacingStep.PLACED])
@pytest.mark.parametrize("before", [None, OLD])
def test_killed_at_any_step_there_is_a_whole_file_or_none_and_the_next_round_goes_on(
    placing: Placing, step: PlacingStep, before: bytes | None
) -> None:
    if before is not None:
        placing.put(before, "1")
    placing.kill_at = step
    with pytest.raises(KilledError):
        placing.put(NEW, "2")
    there = placing.target.read_bytes() if placing.target.exists() else None
    assert there in (before, NEW)
    placing.kill_at = None
    assert placing.put(NEW, "2") in (Placed.PLACED, Placed.WAS_THERE)
    placing.sweep()
    assert placing.target.read_bytes() == NEW
    assert list(placing.target.parent.iterdir()) == [placing.target]


def test_killed_while_it_removes_nothing_is_left_but_the_note(placing: Placing) -> None:
    placing.put(OLD, "1")
    placing.kill_at = PlacingStep.REMOVED
    with pytest.raises(KilledError):
        placing.remove()
    placing.kill_at = None
    assert placing.remove()
    assert not placing.target.exists()


def test_somebody_elses_file_is_neither_replaced_nor_removed(placing: Placing) -> None:
    placing.target.parent.mkdir(parents=True)
    placing.target.write_bytes(FOREIGN)
    before = identity_of(placing.target)
    assert placing.put(NEW, "1") is Placed.NOT_OURS
    assert not placing.remove()
    assert (placing.target.read_bytes(), identity_of(placing.target)) == (FOREIGN, before)


def test_ours_that_somebody_has_changed_is_theirs_from_then_on(placing: Placing) -> None:
    placing.put(OLD, "1")
    placing.target.unlink()
    placing.target.write_bytes(FOREIGN)
    assert placing.put(NEW, "2") is Placed.NOT_OURS
    assert not placing.remove()
    assert placing.target.read_bytes() == FOREIGN


def test_what_comes_while_ours_is_made_is_not_replaced(placing: Placing) -> None:
    folder = ExportFolder(placing.root)
    prepared = folder.prepare(WantedFile(PATH, "1", NEW), ())
    assert isinstance(prepared, Prepared)
    placing.target.write_bytes(FOREIGN)
    assert folder.place(prepared) is Placed.NOT_OURS
    prepared.drop()
    assert placing.target.read_bytes() == FOREIGN


def test_a_folder_that_leads_elsewhere_is_not_written_to(placing: Placing, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    placing.root.mkdir()
    (placing.root / ".images").mkdir()
    (placing.root / ".images" / "profiles").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link to elsewhere"):
        placing.put(NEW, "1")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@contextmanager
def no_room() -> Iterator[None]:
    """No file may become larger than the kernel allows at this moment."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_room_the_file_from_before_stays_whole_and_nothing_is_left_beside_it(
    placing: Placing,
) -> None:
    placing.put(OLD, "1")
    with no_room(), pytest.raises(OSError, match="too large"):
        placing.put(NEW, "2")
    assert placing.target.read_bytes() == OLD
    assert list(placing.target.parent.iterdir()) == [placing.target]
    assert placing.put(NEW, "2") is Placed.PLACED


def test_of_what_lies_in_the_folder_only_parts_of_ours_are_swept(placing: Placing) -> None:
    placing.put(OLD, "1")
    folder = placing.target.parent
    ours, theirs = folder / f".onesheet-{'a' * 32}.part", folder / ".onesheet-mine.part"
    ours.write_bytes(b"")
    theirs.write_bytes(b"")
    placing.sweep()
    assert (ours.exists(), theirs.exists()) == (False, True)
