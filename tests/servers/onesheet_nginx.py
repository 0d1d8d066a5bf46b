"""The delivered nginx configuration, rendered for a test and running, its workers as another user."""

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.nginx import NJS_MODULE, Nginx, running_nginx

DELIVERED = Path(__file__).resolve().parents[2] / "deploy" / "nginx"
NOBODY_THERE = "127.0.0.1:1"
"""An upstream that refuses connections."""

Change = Callable[[str], str]


@asynccontextmanager
async def running_onesheet_nginx(
    volume: Path,
    *,
    proxies: Sequence[str] = (NOBODY_THERE,),
    enricher: str = NOBODY_THERE,
    settings: Mapping[str, str] | None = None,
    workers: int = 1,
    change: Change | None = None,
) -> AsyncIterator[Nginx]:
    """In front of these services (`host:port`), with `settings` as an operator would set them.

    `change` is applied to the text of each rendered file, for tests that look at the configuration's insides.
    """
    open_to_others(volume)

    def configuration(port: int, directory: Path) -> str:
        rendered = directory / "onesheet"
        render(
            rendered,
            {
                "VOLUME_URL": f"file:{volume}",
                "NGINX_LISTEN": f"127.0.0.1:{port}",
                "NGINX_MODULES": str(NJS_MODULE.parent),
                "NGINX_RUN": str(directory / "run"),
                "NGINX_WORKERS": str(workers),
                "NGINX_MISS_RATE": "0",  # a crowd of tests comes from one address
                "PROXIES": " ".join(proxies),
                "ENRICHER": enricher,
                **(settings or {}),
            },
        )
        if change:
            for file in (*rendered.glob("*.conf"), rendered / "onesheet.js"):
                file.write_text(change(file.read_text()))
        return (rendered / "nginx.conf").read_text()

    async with running_nginx(configuration) as nginx:
        yield nginx


def render(directory: Path, settings: Mapping[str, str]) -> None:
    """Raise ValueError with what the script says when it refuses the settings."""
    done = subprocess.run(
        [str(DELIVERED / "render"), str(directory)],
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(done.stderr)


def open_to_others(volume: Path) -> None:
    """Temporary directories are closed to other users, among them the web server's."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for directory in (volume, *volume.parents):
        if directory.is_relative_to(temporary) and directory != temporary:
            directory.chmod(directory.stat().st_mode | 0o055)
