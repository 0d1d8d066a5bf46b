"""As whom a service goes on that root started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_CHILD = """
import json, os
from shared.process.start import take_identity
from shared.volume import VolumeSettings
take_identity(VolumeSettings())
print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups()]))
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others")


def taken(directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    places = {"VOLUME_URL": f"file:{directory}/data", "STATE_DIR": f"{directory}/state"}
    environment = {"PATH": os.environ["PATH"], **places, **settings}
    command = [sys.executable, "-c", f"import os\nos.setgroups([0, 4])\n{_CHILD}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@needs_root
@pytest.mark.parametrize(
    ("settings", "user", "group"),
    [
        ({"PUID": "54321"}, 54321, 54321),
        ({"PUID": "54321", "PGID": "12345"}, 54321, 12345),
    ],
)
def test_a_user_is_taken_with_one_group_and_none_of_roots(
    tmp_path: Path, settings: dict[str, str], user: int, group: int
) -> None:
    said = json.loads(taken(tmp_path, **settings).stdout)
    assert said == [[user] * 3, [group] * 3, []]
    for directory, mode in (("data", 0o755), ("state", 0o700)):
        made = (tmp_path / directory).stat()
        assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (user, group, mode)


@needs_root
def test_a_group_alone_is_refused_for_it_would_stay_root(tmp_path: Path) -> None:
    refused = taken(tmp_path, PGID="12345")
    assert refused.returncode
    assert "set PUID" in refused.stderr
