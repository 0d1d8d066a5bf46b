"""Ask everything that both OpenAPI documents describe, and much that they do not: `make contract-fuzz`.

A whole server before stand-ins for the providers; schemathesis, in an environment of its own, makes the requests up and
holds the answers against the documents.
"""

import argparse
import asyncio
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import ADMIN_TOKEN, TraktAccountHost, settings_with
from tests.providers.twitch import CLIENT_ID, CLIENT_SECRET, TwitchHost
from tests.servers.service import RunningService, running_service

DOCUMENTS = ("/api/openapi.json", "/api/images/openapi.json")
WITHOUT_END = "/api/events"
OF_BOTH = "/api/v1/images/{kind}/{id}/{role}/{size}"
"""The enricher has it for its own numbers, and redirects; for all other ids the proxy answers there, in one process."""

CASES_AT_LEAST = 2000
NOT_CHECKED = "negative_data_rejection"
"""An empty parameter counts as left out, as forms send it: what its schema says is not held against that."""

CONFIGURATION = """
# 5xx that are said in the documents: the source, or a dependency, does not do what it should.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 502, 503, 504]

# What no schema can say, for instance that an id is one of its kind's, is refused with 400, as documented.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 413, 415, "5xx"]
"""


async def main(schemathesis: Path, *, examples: int, seed: int, paths: str) -> int:
    with TemporaryDirectory(prefix="onesheet-fuzz-") as name:
        directory = Path(name)
        (directory / "films").mkdir()
        (directory / "schemathesis.toml").write_text(CONFIGURATION)
        async with (
            PictureHost.running() as host,
            TmdbHost.running() as tmdb,
            TraktAccountHost.running() as trakt,
            TwitchHost.running() as twitch,
        ):
            authority = host.root.removeprefix("http://")
            settings = settings_with(trakt, tmdb, directory) | {
                "ALLOWED_HOSTS": authority,
                "ALLOW_PRIVATE": authority,
                "JWT_SECRET": "a secret of thirty-two characters",
                "LIBRARY_ROOTS": str(directory / "films"),
                "MISS_WAIT": "0.2",
                "MISS_WAIT_OTHERS": "0.2",
                "POSTER_KEYS": "a-key",
                "TMDB_IMAGE_URL": host.url("/t/p"),
                "TWITCH_AUTH_URL": twitch.auth_url,
                "TWITCH_BASE_URL": twitch.base_url,
                "TWITCH_CLIENT_ID": CLIENT_ID,
                "TWITCH_CLIENT_SECRET": CLIENT_SECRET,
                "UPLOAD_SIGNING_KEYS": "a-key-of-uploads",
            }
            async with running_service("services", settings, cwd=directory) as server:
                status = await _fuzz(
                    schemathesis, server.address, directory, examples=examples, seed=seed, paths=paths
                )
                _tell_of_failures(server)
                return status


def _tell_of_failures(server: RunningService) -> None:
    """Where each 500 came from."""
    for line in server.lines:
        if "exception" in line:
            print(line["event"], line.get("path"), line["exception"], sep="\n")


async def _fuzz(
    schemathesis: Path, address: str, directory: Path, *, examples: int, seed: int, paths: str
) -> int:
    """The exit status: 0 where nothing was found, and enough was asked."""
    worst = cases = 0
    # One worker: several make CPython 3.11 stumble over its own counting in `ast` ("recursion depth mismatch").
    for document in DOCUMENTS:
        process = await asyncio.create_subprocess_exec(
            *(str(schemathesis), "--config-file", str(directory / "schemathesis.toml"), "run"),
            *(f"{address}{document}", "--header", f"Authorization: Bearer {ADMIN_TOKEN}"),
            *(
                "--checks",
                "all",
                "--exclude-checks",
                NOT_CHECKED,
                "--max-examples",
                str(examples),
                "--seed",
                str(seed),
            ),
            *("--exclude-path", WITHOUT_END, "--exclude-path", OF_BOTH, "--include-path-regex", paths),
            *("--continue-on-failure", "--no-color", "--workers", "1"),
            cwd=directory,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        output = (await process.stdout.read()).decode()
        print(re.sub(r"^.{2000,}$", "…", output, flags=re.MULTILINE))
        worst = max(worst, await process.wait())
        cases += sum(map(int, re.findall(r"([0-9]+) generated", output)))
    print(f"{cases} cases")
    return worst or int(cases < CASES_AT_LEAST)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schemathesis", type=Path)
    parser.add_argument("--examples", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paths", default="", help="a regular expression: only these, such as ^/api/v1")
    given = parser.parse_args()
    sys.exit(
        asyncio.run(
            main(given.schemathesis.absolute(), examples=given.examples, seed=given.seed, paths=given.paths)
        )
    )
