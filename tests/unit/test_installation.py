"""What `make run` installs is all that the services need, whatever else a developer has beside it."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
_CHILD = """
import json, sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in missing:
            raise ModuleNotFoundError(f"{name} would not be installed", name=name)

missing = set(json.load(sys.stdin))
sys.meta_path.insert(0, Missing())
import services.one_process, services.proxy.app, services.fetcher.app, services.enricher.app
import aiodns, aiosqlite
"""


def installed_for(wanted: list[str]) -> set[str]:
    """The names of all distributions that come with these requirements."""
    found: set[tuple[str, str]] = set()
    queue = [(Requirement(text), "") for text in wanted]
    while queue:
        requirement, asked_with = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": asked_with}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in found:
                found.add((name, extra))
                queue += [(Requirement(text), extra) for text in _requires(name)]
    return {name for name, _ in found}


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # of another system
        return []


def test_the_services_start_with_what_they_ask_for() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    there = installed_for(wanted) | {"onesheet"}
    missing = [
        module
        for module, distributions in packages_distributions().items()
        if not there & set(map(canonicalize_name, distributions))
    ]
    assert "pytest" in missing
    command = [sys.executable, "-c", _CHILD]
    subprocess.run(command, input=json.dumps(missing), text=True, check=True, cwd=ROOT)
