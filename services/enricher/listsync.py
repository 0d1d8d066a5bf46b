"""Take over what ListSync has: `python -m services.enricher.listsync listsync.db --images data/images [--dry-run]`.

The running server does it, as a task; this starts it, and tells how far it is. Both have to see the files by the same paths.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from services.enricher.api.access import ADMIN_TOKEN_FILE, AccessSettings
from shared.volume import VolumeSettings

PORT = 8080
LOOK_EVERY_S = 1.0
_LISTED_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class ListSyncImport:
    """What is to be imported; `images` None: no pictures."""

    database: Path
    images: Path | None
    dry_run: bool = False

    @property
    def order(self) -> Mapping[str, object]:
        return {
            "database": str(self.database.absolute()),
            "images": str(self.images.absolute()) if self.images else None,
            "dry_run": self.dry_run,
        }


class _Refused(Exception):
    """The server's own sentence."""


async def import_listsync(
    wanted: ListSyncImport, *, server: str, token: str, tell: Callable[[str], None]
) -> bool:
    """Have the server import it, and tell line by line how far it is. Whether it came to its end.

    `server`: its address, `http://127.0.0.1:8080`; `token`: the admin token. Ended early, the task goes on.
    """
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=60)) as client:
            task = await _asked(client, "POST", f"{server}/api/import/listsync", wanted.order)
            while task["state"] in ("queued", "running"):
                tell(f"{task['state']}: {_counted(task)}")
                await asyncio.sleep(LOOK_EVERY_S)
                task = await _asked(client, "GET", f"{server}/api/v1/admin/tasks/{task['id']}")
    except _Refused as refused:
        tell(str(refused))
        return False
    except (aiohttp.ClientError, TimeoutError) as error:
        tell(f"The server at {server} does not answer: {error or type(error).__name__}.")
        return False
    for problem in task["errors"][:_LISTED_AT_MOST]:
        tell(problem)
    tell(task["reason"] or f"{task['state']}: {_counted(task)}")
    return bool(task["state"] == "done")


async def _asked(
    client: aiohttp.ClientSession, method: str, url: str, json: Mapping[str, object] | None = None
) -> dict[str, Any]:
    async with client.request(method, url, json=json) as answer:
        said: dict[str, Any] = await answer.json(content_type=None)
        if not answer.ok:
            raise _Refused(str(said.get("detail", answer.reason)))
        return said


def _counted(task: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in task["counts"].items())
    return f"{task['done']} of {task['total'] or '?'}{f': {counts}' if counts else ''}"


def admin_token(access: AccessSettings, volume: VolumeSettings) -> str:
    """That is set, or that the server made at its first start. Raise OSError where there is none yet."""
    return access.admin_token or (volume.state_dir / ADMIN_TOKEN_FILE).read_text().strip()


def main() -> int:
    parser = argparse.ArgumentParser(description="Take over what ListSync has.")
    parser.add_argument("database", type=Path, help="ListSync's database")
    parser.add_argument("--images", type=Path, help="its folder data/images")
    parser.add_argument("--dry-run", action="store_true", help="only say what would come")
    parser.add_argument("--server", help="where Onesheet runs")
    given, access = parser.parse_args(), AccessSettings()
    port = access.http.port(PORT)
    try:
        token = admin_token(access, VolumeSettings())
    except OSError as error:
        print(f"There is no admin token yet ({error}): set ADMIN_TOKEN, or start Onesheet.", file=sys.stderr)  # noqa: T201 - read by whoever called
        return 2
    wanted = ListSyncImport(given.database, given.images, given.dry_run)
    server = given.server or f"http://127.0.0.1:{port}"
    done = asyncio.run(import_listsync(wanted, server=server, token=token, tell=print))
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
