"""What is true of local files alone: who may read them, what is swept, which directories are refused."""

import asyncio
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE

import pytest
from structlog.testing import capture_logs

import shared.volume.local.layout
from shared.pictures import Failure, FailureClass, Kind, Name, Role, SourceUrl, State, name_failure_path
from shared.telemetry import utc_now
from shared.volume import (
    HostPause,
    Revision,
    Superseded,
    VolumeRefused,
    VolumeSettings,
    WriteVolume,
    unwatched,
    volume_to_keep,
    volume_to_read,
    volume_to_write,
)
from shared.volume.local import durable
from shared.volume.local import inventory as local_inventory
from shared.volume.local import names as local_names
from shared.volume.local import store as local_store
from shared.volume.local.commit import Commit, committed_together
from shared.volume.local.durable import Flusher, make_directories
from shared.volume.local.layout import Layout, _file_system, prepared_layout
from shared.volume.local.names import LocalHostPauses
from shared.volume.local.refusals import SHELVES, Records, Refusals, _digest, _packed, _record
from shared.volume.local.sweep import (
    DRAFT_AGE_S,
    INBOX_AGE_S,
    PAUSE_REMEMBERED_S,
    REFUSAL_REMEMBERED_S,
    SHELF_S,
    sweep,
)
from tests.contract.volumes import MEDIUM, PICTURE, SMALL, commit, manifest_of, revision_of, settings_in

NOBODY = 65534


@pytest.fixture
def directory_for_all() -> Iterator[Path]:
    """Pytest's own temporary directories are closed to other users."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@contextmanager
def as_nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


async def test_another_user_can_read_everything(directory_for_all: Path) -> None:
    settings = settings_in(directory_for_all)
    layout = prepared_layout(settings)
    with volume_to_write(settings) as volume:
        revision = await commit(volume.pictures, b"one", MEDIUM)
        async with volume.pictures.draft() as draft:
            (draft.directory / str(SMALL)).write_bytes(b"small")
            await volume.pictures.add(revision, [draft.directory / str(SMALL)])
        await volume.pictures.put_state(PICTURE, State())
        await volume.names.point(Name.parse("movie/1/poster"), PICTURE)
    entries = [entry for entry in layout.root.rglob("*") if not entry.is_symlink() and entry != layout.inbox]
    assert {S_IMODE(entry.stat().st_mode) for entry in entries if entry.is_file()} == {0o644}
    assert {S_IMODE(entry.stat().st_mode) for entry in entries if entry.is_dir()} == {0o755}
    linked = layout.root.joinpath("names").rglob("*/poster")
    with as_nobody():
        assert (next(linked) / "current" / "small.webp").read_text() == "small"


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ({"state": 0o755, "inbox": 0o755}, {"state": 0o700, "inbox": 0o700}),
        ({"state": 0o777, "inbox": 0o777}, {"state": 0o700, "inbox": 0o770}),
        ({"state": 0o1777, "inbox": 0o1777}, {"state": 0o1777, "inbox": 0o1777}),
    ],
)
def test_what_an_older_version_left_open_to_others_is_closed_or_told(
    tmp_path: Path, found: dict[str, int], left: dict[str, int]
) -> None:
    settings = settings_in(tmp_path)
    directories = {"state": settings.state_dir, "inbox": Layout(settings.root).inbox}
    for name, directory in directories.items():
        directory.mkdir(parents=True)
        directory.chmod(found[name])
    with capture_logs() as lines:
        prepared_layout(settings)
    assert {name: S_IMODE(directory.stat().st_mode) for name, directory in directories.items()} == left
    said = "directory closed to others" if left != found else "directory open to others"
    assert [(line["event"], line["setting"]) for line in lines] == [(said, "STATE_DIR"), (said, "VOLUME_URL")]
    with capture_logs() as lines:
        prepared_layout(settings)
    assert bool(lines) == (left == found)


def test_what_is_made_is_closed_to_others_and_nobody_is_told(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with capture_logs() as lines:
        layout = prepared_layout(settings)
    assert ([S_IMODE(each.stat().st_mode) for each in (settings.state_dir, layout.inbox)], lines) == (
        [0o700] * 2,
        [],
    )


def test_the_sweep_deletes_the_trash_and_what_is_old_and_nothing_else(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    layout = prepared_layout(settings)
    root = layout.root
    now = root.stat().st_mtime

    def put(path: str, age_s: float) -> Path:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
        os.utime(file, (now - age_s, now - age_s))
        if file.parent.parent in (layout.scratch, layout.trash):
            os.utime(file.parent, (now - age_s, now - age_s))
        return file

    goes = [
        put("trash/new", 0),
        put("trash/whole/revision", 0),
        put("tmp/draft/download", DRAFT_AGE_S + 1),
        put("tmp/link", DRAFT_AGE_S + 1),
        put("inbox/upload", INBOX_AGE_S + 1),
    ]
    stays = [
        put("tmp/young/download", DRAFT_AGE_S - 60),
        put("inbox/young", INBOX_AGE_S - 60),
        put("cache/ab/cd/x/state.json", 10**7),
        put("keep/ab/cd/x/state.json", 10**7),
        put("names/movie/ab/cd/1/poster", 10**7),
        put("locks/abcd", 10**7),
        put("hosts/a.example.json", 10**7),
    ]
    assert sweep(layout, now=now) == len(goes)
    assert [file for file in goes if file.exists()] == []
    assert [file for file in stays if not file.exists()] == []
    assert sweep(layout, now=now) == 0


async def test_refusals_of_an_earlier_version_count_and_long_over_are_swept_and_nothing_else_of_a_name(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path)
    layout = prepared_layout(settings)
    now = time.time()
    failure = Failure.after(None, FailureClass.GONE, "There is none.", now=utc_now())
    made_up, shown, lately = (Name(Kind.MOVIE, f"tmdb:{number}", Role.POSTER) for number in (1, 2, 3))

    async def refuse(name: Name, age_s: float) -> Path:
        file = layout.below(name_failure_path(name))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(failure.model_dump_json())
        assert await volume.names.failure(name) == failure
        os.utime(file, (now - age_s, now - age_s))
        return file

    with volume_to_write(settings) as volume:
        await volume.names.point(shown, PICTURE)
        gone = [await refuse(name, REFUSAL_REMEMBERED_S + SHELF_S * 300) for name in (made_up, shown)]
        stays = await refuse(lately, REFUSAL_REMEMBERED_S - SHELF_S * 300)
        swept = [sweep(layout, now=now + SHELF_S * shelf) for shelf in range(256)]
        assert (sum(swept), max(swept)) == (2, 1)
        assert [file.exists() for file in (*gone, stays)] == [False, False, True]
        assert not gone[0].parents[2].exists()
        assert await volume.names.picture(shown) == PICTURE


def test_ten_thousand_made_up_names_take_less_than_a_megabyte(tmp_path: Path) -> None:
    refusals = Refusals(prepared_layout(settings_in(tmp_path)))
    shelves: defaultdict[Path, Records] = defaultdict(dict)
    names = [Name(Kind.MOVIE, f"tmdb:{number}", Role.POSTER) for number in range(10_000)]
    for name in names:
        failure = Failure.after(None, FailureClass.GONE, f"There is no {name.kind}.", now=utc_now())
        shelves[refusals._file(_digest(name))][_digest(name)] = _record(failure)
    for file, records in shelves.items():  # as the last `put` to each would have left it
        file.write_bytes(_packed(records))
    refusals.put(names[-1], failure)
    assert all(map(refusals.find, names))
    files = [file.stat() for file in tmp_path.rglob("*") if file.is_file()]
    assert sum(file.st_blocks for file in files) * 512 < 1_000_000
    assert len(files) < 200


def test_beyond_their_bound_the_oldest_refusals_are_forgotten(tmp_path: Path) -> None:
    refusals = Refusals(prepared_layout(settings_in(tmp_path)), at_most=SHELVES)
    names = [Name(Kind.MOVIE, f"tmdb:{number}", Role.POSTER) for number in range(300)]
    for name in names:
        refusals.put(name, Failure.after(None, FailureClass.GONE, "There is none.", now=utc_now()))
    remembered = [name for name in names if refusals.find(name)]
    assert len(remembered) <= SHELVES
    assert names[-1] in remembered
    assert names[0] not in remembered


def test_a_refusal_keeps_all_that_it_says(tmp_path: Path) -> None:
    refusals = Refusals(prepared_layout(settings_in(tmp_path)))
    name = Name(Kind.MOVIE, "tmdb:1", Role.POSTER)
    failure = Failure.after(None, FailureClass.UPSTREAM, "Broken, \u00e9\n.", now=utc_now(), status=502)
    refusals.put(name, failure)
    assert refusals.find(name) == failure


async def test_a_name_is_written_though_its_empty_directory_is_swept_away_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path)
    name = Name(Kind.MOVIE, "tmdb:1", Role.POSTER)
    left = [1]

    def made_and_swept(directory: Path) -> list[Path]:
        above = make_directories(directory)
        if left:
            left.pop()
            directory.rmdir()
        return above

    monkeypatch.setattr(local_names, "make_directories", made_and_swept)
    with volume_to_write(settings) as volume:
        await volume.names.point(name, PICTURE)
        assert await volume.names.picture(name) == PICTURE


async def test_a_removed_picture_lies_in_the_trash_until_the_sweep(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    layout = prepared_layout(settings)
    with volume_to_write(settings) as volume:
        await commit(volume.pictures, b"one", MEDIUM)
        await volume.pictures.remove(PICTURE)
    assert len(list(layout.trash.iterdir())) == 1
    sweep(layout)
    assert list(layout.trash.iterdir()) == []


@pytest.mark.parametrize(
    ("volume", "state"),
    [("data", "data/state"), ("data/volume", "data"), ("data", "data"), ("a/../b", "b/c")],
)
def test_trees_inside_one_another_are_refused(tmp_path: Path, volume: str, state: str) -> None:
    settings = VolumeSettings(volume_url=f"file:{tmp_path}/{volume}", state_directory=tmp_path / state)
    with pytest.raises(VolumeRefused, match="inside one another"):
        prepared_layout(settings)
    assert list(tmp_path.iterdir()) == []  # nothing was begun


def test_a_link_does_not_hide_that_they_are_nested(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "volume")
    settings = VolumeSettings(
        volume_url=f"file:{tmp_path}/volume", state_directory=tmp_path / "elsewhere" / "state"
    )
    with pytest.raises(VolumeRefused, match="inside one another"):
        prepared_layout(settings)


def test_a_neighbour_whose_name_begins_alike_is_not_nested(tmp_path: Path) -> None:
    prepared_layout(
        VolumeSettings(volume_url=f"file:{tmp_path}/data", state_directory=tmp_path / "data-state")
    )


@pytest.mark.parametrize("in_the_way", ["volume", "volume/cache", "volume/tmp"])
def test_a_volume_that_cannot_be_made_is_refused(tmp_path: Path, in_the_way: str) -> None:
    file = tmp_path / in_the_way
    file.parent.mkdir(exist_ok=True)
    file.write_text("a file in the way")
    with pytest.raises(VolumeRefused, match="not writable"):
        prepared_layout(settings_in(tmp_path))


def test_a_state_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    with pytest.raises(VolumeRefused, match=r"STATE_DIR .* cannot be created"):
        prepared_layout(settings_in(tmp_path))


def test_a_volume_of_another_user_is_refused(directory_for_all: Path) -> None:
    settings = settings_in(directory_for_all)
    prepared_layout(settings)
    with as_nobody(), pytest.raises(VolumeRefused, match="is not writable: Permission denied"):
        prepared_layout(settings)


def test_who_only_reads_starts_on_a_volume_that_may_only_be_read(directory_for_all: Path) -> None:
    settings = settings_in(directory_for_all)
    with volume_to_write(settings) as written:
        pass
    shutil.rmtree(settings.state_dir)
    with as_nobody():
        read = volume_to_read(settings)
        assert read.identity() == written.identity() != ""
        assert not settings.state_dir.exists()


def test_who_only_reads_refuses_a_volume_that_it_cannot_read_by_the_settings_name(
    directory_for_all: Path,
) -> None:
    settings = settings_in(directory_for_all / "not" / "there")
    with as_nobody(), pytest.raises(VolumeRefused, match="VOLUME_URL: the volume cannot be read"):
        volume_to_read(settings)


async def test_a_volume_is_the_same_wherever_it_is_mounted_and_no_two_are(tmp_path: Path) -> None:
    one, moved, other = tmp_path / "one", tmp_path / "moved", tmp_path / "other"
    identity = volume_to_keep(settings_in(one)).identity()
    assert identity == volume_to_read(settings_in(one)).identity()
    one.rename(moved)
    assert volume_to_read(settings_in(moved)).identity() == identity
    assert volume_to_read(settings_in(other)).identity() == "", "nobody has written there yet"
    assert volume_to_keep(settings_in(other)).identity() not in ("", identity)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_databases_on_a_network_file_system_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(shared.volume.local.layout, "_file_system", lambda _path: kind)
    with pytest.raises(VolumeRefused, match=f"network file system \\({kind}\\)"):
        prepared_layout(settings_in(tmp_path))


def test_the_file_system_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    assert _file_system(Path("/proc/self")) == "proc"
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\nnas:/x /mnt/my\\040nas nfs4 rw 0 0\ntmpfs /mnt/my\\040nas/here tmpfs rw 0 0\n"
    )
    assert _file_system(Path("/mnt/my nas/films"), mounts) == "nfs4"
    assert _file_system(Path("/mnt/my nas/here/films"), mounts) == "tmpfs"
    assert _file_system(Path("/mnt/my nasty"), mounts) == "ext4"
    assert _file_system(Path("/mnt"), tmp_path / "not there") is None


def test_a_path_outside_the_volume_is_refused(tmp_path: Path) -> None:
    layout = prepared_layout(settings_in(tmp_path))
    for path in ("../x", "cache/../../x", "/etc/passwd"):
        with pytest.raises(ValueError, match="outside"):
            layout.below(path)


async def test_a_pause_that_is_long_over_is_swept(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    hosts, now = LocalHostPauses(layout), datetime.now(UTC)
    await hosts.pause("forgotten.example", HostPause(now - timedelta(seconds=PAUSE_REMEMBERED_S + 5)))
    await hosts.pause("over.example", HostPause(now - timedelta(seconds=5)))
    await hosts.pause("paused.example", HostPause(now + timedelta(minutes=1)))
    assert sweep(layout) == 1
    left = sorted(file.name for file in layout.hosts.iterdir())
    assert left == ["over.example.json", "paused.example.json"]


async def test_nothing_of_a_commit_is_flushed_twice_and_the_pointer_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    flush = durable.flush

    def noted(path: Path) -> None:
        happened.append(path.name)
        flush(path)

    monkeypatch.setattr(durable, "flush", noted)
    monkeypatch.setattr(local_store, "flush", noted)
    with volume_to_write(settings_in(tmp_path)) as volume:
        async with volume.pictures.draft() as draft:
            download = draft.directory / "download"
            download.write_bytes(b"original")
            draft.finished(download)
            await draft.settled()
            download.rename(draft.directory / "original.jpg")
            (draft.directory / str(MEDIUM)).write_bytes(b"medium")
            revision = await volume.pictures.commit(
                PICTURE,
                revision_of(b"original"),
                draft,
                manifest_of(b"original"),
                State(),
                expected=None,
            )
        pointed = happened.index(PICTURE)
        assert {"download", str(MEDIUM), "manifest.json"} <= set(happened[:pointed])
        kept, entries = ("download", MEDIUM, "manifest.json", "the draft"), ("cache", "ab", "cd", PICTURE)
        assert len(happened) == len(kept) + len(entries), "nor the state, which is read again from the source"
        assert "SHA256SUMS" not in happened
        assert len(set(happened)) == len(happened)
        assert "original.jpg" not in happened
        del happened[:]
        async with volume.pictures.draft() as draft:
            names = [str(SMALL), "thumbnail.webp"]
            for name in names:
                (draft.directory / name).write_bytes(b"made ahead")
            await volume.pictures.add(revision, [draft.directory / name for name in names])
        assert sorted(happened[:2]) == sorted(names)
        assert happened[2:] == [revision.id]


async def test_a_name_is_pointed_at_what_was_fetched_for_it_within_the_last_round_of_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[list[str]] = []
    flush_all = Flusher.flush_all

    def noted(self: Flusher, paths: Iterable[Path]) -> None:
        wanted = list(paths)
        rounds.append([path.name for path in wanted])
        flush_all(self, wanted)

    monkeypatch.setattr(Flusher, "flush_all", noted)
    name = Name(Kind.MOVIE, "tmdb:1", Role.POSTER)
    with volume_to_write(settings_in(tmp_path)) as volume:
        await commit(volume.pictures, b"original", shows=name)
        assert await volume.names.picture(name) == PICTURE
        _, last = filter(None, rounds)
        assert {PICTURE, name.id, "names"} <= set(last)
        monkeypatch.setattr(local_names, "replace_link", None)
        monkeypatch.setattr(local_names, "flush", None)
        await volume.names.point(name, PICTURE)  # finds it done


async def test_pointed_by_its_commit_or_not_a_refusal_of_the_name_is_forgotten(tmp_path: Path) -> None:
    name = Name(Kind.MOVIE, "tmdb:1", Role.POSTER)
    refusal = Failure.after(None, FailureClass.GONE, "No provider has it.", now=utc_now())
    with volume_to_write(settings_in(tmp_path)) as volume:
        await volume.names.refuse(name, refusal)
        await commit(volume.pictures, b"original", shows=name)
        assert await volume.names.failure(name) is None
        await volume.names.refuse(name, refusal)
        await volume.names.point(name, PICTURE)
        assert await volume.names.failure(name) is None


async def test_a_commit_leaves_a_name_alone_that_another_picture_is_pinned_to(tmp_path: Path) -> None:
    name = Name(Kind.MOVIE, "tmdb:1", Role.POSTER)
    pinned = SourceUrl.parse("https://images.example/pinned.jpg")
    with volume_to_write(settings_in(tmp_path)) as volume:
        await commit(volume.pictures, b"pinned", picture=pinned.picture, source=str(pinned))
        await volume.pins.pin(pinned.picture, name)
        await volume.names.point(name, pinned.picture)
        await commit(volume.pictures, b"original", shows=name)
        assert await volume.names.picture(name) == pinned.picture


LOCKS = {
    "granted to everybody": None,
    "refused to everybody": BlockingIOError(errno.EAGAIN, "held by somebody"),
    "not there": OSError(errno.ENOLCK, "No locks available"),
}
"""What a file system of other machines may say to `flock`."""


@pytest.mark.parametrize("said", LOCKS)
async def test_whatever_the_file_system_says_of_locks_and_times_no_commit_is_lost_or_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        if error := LOCKS[said]:
            raise error

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(local_inventory, "_changed_ns", lambda _path: 1)
    settings = settings_in(tmp_path)
    with volume_to_write(settings) as one, volume_to_write(settings) as other:

        async def fetch(volume: WriteVolume, number: int) -> bool:
            async with volume.pictures.lock(PICTURE, insist=said == "refused to everybody"):
                try:
                    await commit(volume.pictures, f"body {number}".encode(), MEDIUM)
                except Superseded:
                    return False
            return True

        # Where no lock holds, both may compare before either switches: the later one then simply replaces the earlier.
        won = await asyncio.gather(*(fetch((one, other)[number % 2], number) for number in range(8)))
        assert any(won)
        read = volume_to_read(settings).pictures
        file = await read.find(PICTURE, (MEDIUM,))
        assert file
        keeper = volume_to_keep(settings).inventory
        [held] = (await keeper.holdings([PICTURE])).values()
        [shown] = [number for number in range(8) if held.revision == revision_of(f"body {number}".encode())]
        assert await file.content.whole() == f"body {shown}medium.webp".encode()
        await one.sweep()  # of what the others put aside
        assert await read.find(PICTURE, (MEDIUM,)) == file
        failure = Failure.after(None, FailureClass.GONE, "There is none.", now=utc_now())
        await one.names.refuse(Name(Kind.MOVIE, "tmdb:1", Role.POSTER), failure)
        assert await volume_to_read(settings).names.failure(Name(Kind.MOVIE, "tmdb:1", Role.POSTER))
        assert await other.pictures.remove(PICTURE)
        assert await keeper.holdings([PICTURE]) == {}


@pytest.mark.parametrize("behind_s", [3600.0, -3600.0])
async def test_what_is_swept_is_as_old_as_the_clock_says_that_dated_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind_s: float
) -> None:
    """Another machine's, as of a file system that a network brings."""
    settings = settings_in(tmp_path)
    layout = prepared_layout(settings)

    def dated(path: Path, ago_s: float = 0.0) -> None:
        path.open("ab").close()
        then = time.time() - behind_s - ago_s
        os.utime(path, (then, then))

    monkeypatch.setattr(Path, "touch", dated)
    dated(layout.scratch / "young", DRAFT_AGE_S - 60)
    dated(layout.scratch / "old", DRAFT_AGE_S + 60)
    assert sweep(layout) == 1
    assert [file.name for file in layout.scratch.iterdir()] == ["young"]


class CountingFlusher(Flusher):
    """`rounds`: how much was flushed in each that had anything to flush."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[int] = []

    def flush_all(self, paths: Iterable[Path]) -> None:
        wanted = list(paths)
        self.rounds += [len(wanted)] if wanted else []
        super().flush_all(wanted)


def test_commits_that_go_together_share_their_rounds_of_flushes(tmp_path: Path) -> None:
    layout = prepared_layout(settings_in(tmp_path))
    rounds = {}
    for count in (1, 20):
        with closing(CountingFlusher()) as flusher:
            commits = []
            for number in range(count):
                draft = layout.new_trash()
                draft.mkdir()
                (draft / "original.jpg").write_bytes(b"one")
                picture = SourceUrl.parse(f"http://a.example/{count}/{number}.jpg").picture
                commit = Commit(layout, picture, revision_of(b"one"), flusher=flusher, on_step=unwatched)
                commits.append(commit.steps(draft, manifest_of(b"one"), State(), None))
            made = committed_together(commits, flusher)
        assert [type(outcome) for outcome in made] == [Revision] * count
        rounds[count] = len(flusher.rounds)
    assert rounds == {1: 2, 20: 2}
