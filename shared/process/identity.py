"""As whom a process writes: umask, user and group, as people with home servers expect them."""

import os

from shared.volume import VolumeRefused, VolumeSettings


def take_identity(settings: VolumeSettings) -> None:
    """Set the umask; as root, become PUID and PGID and give them the directories they will write to."""
    os.umask(int(settings.umask, 8))
    user, group = settings.user_id, settings.group_id
    if user is None and group is None:
        return
    if os.geteuid() != 0:
        if (user or os.geteuid(), group or os.getegid()) != (os.geteuid(), os.getegid()):
            raise VolumeRefused("PUID and PGID can only be taken when started as root.")
        return
    for directory in (settings.root, settings.state_dir):
        directory.mkdir(parents=True, exist_ok=True)
        os.chown(directory, -1 if user is None else user, -1 if group is None else group)
    if group is not None:
        os.setgroups([])
        os.setgid(group)
    if user is not None:
        os.setuid(user)
