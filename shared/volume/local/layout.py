"""The directories of a local volume, and what must be true of them before anybody writes."""

import os
import re
import stat
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import structlog

from shared.pictures import PictureId, Tree, picture_path
from shared.volume.settings import VolumeRefused, VolumeSettings

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre"}
    | {f"fuse.{name}" for name in ("sshfs", "rclone", "s3fs", "glusterfs")}
)

_log = structlog.get_logger()


@dataclass(frozen=True)
class Layout:
    root: Path

    @cached_property
    def scratch(self) -> Path:
        return self.root / "tmp"

    @cached_property
    def trash(self) -> Path:
        return self.root / "trash"

    @cached_property
    def locks(self) -> Path:
        return self.root / "locks"

    @cached_property
    def hosts(self) -> Path:
        return self.root / "hosts"

    @cached_property
    def names(self) -> Path:
        return self.root / "names"

    @cached_property
    def refused(self) -> Path:
        return self.root / "refused"

    @cached_property
    def inbox(self) -> Path:
        return self.root / "inbox"

    def picture(self, tree: Tree, picture: PictureId) -> Path:
        return Path(self.picture_at(tree, picture))

    def picture_at(self, tree: Tree, picture: PictureId) -> str:
        """The same for whoever looks all the time: a Path costs more than the look."""
        return f"{self.root}/{picture_path(tree, picture)}"

    def tell_of_change(self, picture: PictureId) -> None:
        """In the directories that it shares with others, whose time tells an inventory where to look. Nothing depends on it
        but how soon a lost record is noticed.
        """
        for tree in Tree:
            with suppress(OSError):
                os.utime(self.picture_at(tree, picture).rpartition("/")[0])

    def below(self, relative: str) -> Path:
        """A path below the root; raise ValueError for one that would lie outside."""
        return Path(self.place_below(relative))

    def place_below(self, relative: str) -> str:
        """The same for whoever looks all the time."""
        root = str(self.root)
        place = os.path.normpath(os.path.join(root, relative))  # noqa: PTH118 - asked for each miss
        if not (place.startswith(f"{root}/") or Path(place).is_relative_to(root)):
            raise ValueError("a path outside the volume")
        return place

    def new_trash(self) -> Path:
        return self.trash / uuid.uuid4().hex

    def check_readable(self) -> None:
        """Raise VolumeRefused when the trees cannot be listed: a mount that went away, for instance."""
        try:
            for tree in Tree:
                os.scandir(self.root / tree).close()
        except OSError as error:
            raise VolumeRefused(f"VOLUME_URL: the volume cannot be read: {error.strerror}.") from error

    def prepare(self) -> None:
        """Create what is missing; raise VolumeRefused where nothing can be written."""
        try:
            self._create_missing()
            probe = self.scratch / uuid.uuid4().hex
            probe.touch()
            probe.unlink()
            with suppress(FileExistsError), self._identity_file.open("x", encoding="ascii") as identity:
                identity.write(uuid.uuid4().hex)
        except OSError as error:
            raise VolumeRefused(
                f"VOLUME_URL: the volume {self.root} is not writable: {error.strerror}."
            ) from error

    def prepare_to_read(self) -> None:
        """The same for whoever writes nothing, who may not be able to; raise VolumeRefused where nothing can be read."""
        with suppress(OSError):
            self._create_missing()
        self.check_readable()

    def identity(self) -> str:
        """Which volume it is, wherever it is mounted; empty where nobody has been there who writes."""
        try:
            return self._identity_file.read_text(encoding="ascii")[:32]
        except (OSError, ValueError):
            return ""

    @property
    def _identity_file(self) -> Path:
        return self.root / "volume-id"

    def _create_missing(self) -> None:
        for directory in (*Tree, "names", "refused", "locks", "hosts", "tmp", "trash"):
            (self.root / directory).mkdir(parents=True, exist_ok=True)
        # Uploads may still tell where they were taken. A group that may write is one that services share.
        shared = self.hosts.stat().st_mode & stat.S_IWGRP
        self.inbox.mkdir(0o770 if shared else 0o700, exist_ok=True)
        _keep_private(self.inbox, setting="VOLUME_URL", also_group=True)


def prepared_layout(settings: VolumeSettings) -> Layout:
    """Raise VolumeRefused for directories that cannot be used."""
    check_state_dir(settings.root, settings.state_dir)
    layout = Layout(settings.root)
    layout.prepare()
    return layout


def check_state_dir(volume_root: Path, state_dir: Path) -> None:
    """Raise VolumeRefused for a state directory that databases would not survive in."""
    volume_root, state_dir = volume_root.resolve(), state_dir.resolve()
    if state_dir.is_relative_to(volume_root) or volume_root.is_relative_to(state_dir):
        raise VolumeRefused(
            f"VOLUME_URL {volume_root} and STATE_DIR {state_dir} lie inside one another: give each its own place."
        )
    try:
        # Library paths and source URLs are nobody else's; a web server needs the volume alone.
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise VolumeRefused(f"STATE_DIR {state_dir} cannot be created: {error.strerror}.") from error
    _keep_private(state_dir, setting="STATE_DIR")
    check_local(state_dir, setting="STATE_DIR")


def _keep_private(directory: Path, *, setting: str, also_group: bool = False) -> None:
    """Take from others what an older version, or the umask, gave them; say so where that cannot be done.

    What is shared by its nature, as /tmp is, stays so. `also_group`: a group that may write keeps what it may.
    """
    mode = stat.S_IMODE(directory.stat().st_mode)
    private = mode & ~(stat.S_IRWXO if also_group and mode & stat.S_IWGRP else stat.S_IRWXG | stat.S_IRWXO)
    if mode == private:
        return
    if not mode & stat.S_ISVTX:
        with suppress(PermissionError):
            directory.chmod(private)
            _log.info(
                "directory closed to others", setting=setting, directory=str(directory), was=f"{mode:04o}"
            )
            return
    _log.warning("directory open to others", setting=setting, directory=str(directory), mode=f"{mode:04o}")


def check_local(directory: Path, *, setting: str) -> None:
    """Raise VolumeRefused for a directory in which `setting` would have a database on a network file system."""
    kind = _file_system(directory.resolve())
    if kind in NETWORK_FILE_SYSTEMS:
        raise VolumeRefused(
            f"{setting} {directory} is on a network file system ({kind}): databases need a local one."
        )


def _file_system(path: Path, mounts_file: Path = Path("/proc/self/mounts")) -> str | None:
    """The type of the file system that holds `path`; None where the system does not say."""
    try:
        mounts = mounts_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    points = [(_unescaped(mount[1]), mount[2]) for mount in map(str.split, mounts)]
    holding = [(point, kind) for point, kind in points if path.is_relative_to(point)]
    return max(holding, key=lambda mount: len(mount[0]), default=(None, None))[1]


def _unescaped(mount_point: str) -> str:
    """White space in it is written in octal (fstab(5))."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount_point)
