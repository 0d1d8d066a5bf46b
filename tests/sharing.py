"""Who runs what where there are several workers (`pytest -n 2`): tests that share servers stay with one of them.

Each worker is a process with its own session: what a session sets up, each sets up that needs it. A share is what
one worker runs as a whole: a module, or several that want the same servers. The long ones come first, so that all
workers end at about the same time.
"""

import compileall
import re
import sys
from collections import Counter
from collections.abc import Generator, Sequence

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_ONE_SHARE = {
    "one world for all": ("tests/conformance/",),
    "PostgreSQL": (
        "tests/faults/test_chaos_enrichers.py",
        "tests/integration/test_many_enrichers.py",
        "tests/unit/test_copying.py",
        "tests/unit/test_database_sharing.py",
    ),
    "a store of objects": (
        "tests/contract/test_object_volume.py",
        "tests/contract/test_volume",
        "tests/faults/test_killed_on_objects.py",
        "tests/faults/test_object_commits.py",
        "tests/integration/test_object_store",
        "tests/integration/test_volume_copy.py",
    ),
    "a broker that is restarted": (
        "tests/contract/test_queue_outages.py",
        "tests/faults/test_killed_broker.py",
        "tests/faults/test_reboot_order.py",
    ),
}
_LONG: Sequence[str] = (
    "one world for all",
    "a broker that is restarted",
    "PostgreSQL",
    "a store of objects",
    "tests/integration/test_gallery.py",
    "tests/integration/test_images_api.py",
    "tests/integration/test_sync.py",
    "tests/integration/test_scrub.py",
    "tests/integration/test_one_process.py",
    "tests/faults/test_suspended_fetcher.py",
    "tests/integration/test_tmdb_api.py",
    "tests/integration/test_render_limits.py",
    "tests/integration/test_catalog.py",
    "tests/integration/test_shares.py",
    "tests/integration/test_trakt_import.py",
    "tests/faults/test_killed_at_random.py",
    "tests/faults/test_killed_pins.py",
    "tests/integration/test_pages.py",
    "tests/unit/test_library.py",
    "tests/unit/test_database.py",
    "tests/unit/test_guessing.py",
)
_WAITING = ("tests/faults/", "tests/integration/")
"""Most of what is there waits for processes more than it computes: beside one another they would leave the processor idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long shares first, then by turns those that wait and those that compute; those of one share follow one another."""
    order = {share: place for place, share in enumerate(_LONG)}
    others = Counter[bool]()
    for share in dict.fromkeys(share_of(item.nodeid) for item in items):
        if share not in order:
            waits = share.startswith(_WAITING)
            order[share] = len(_LONG) + 2 * others[waits] + waits
            others[waits] += 1
    items.sort(key=lambda item: order[share_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """What all workers import is compiled before they do, and not by each; pytest compiles tests its own way."""
    if not sys.dont_write_bytecode:
        for directory in ("services", "shared", "tests"):
            compileall.compile_dir(
                config.rootpath / directory, quiet=2, workers=2, rx=re.compile(r"/(test_\w+|conftest)\.py$")
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test said that passed is nobody's to read, and not told to who shares the tests out."""
    report = yield
    if report.passed and not {"A", "P"} & set(item.config.getoption("reportchars")):
        report.sections = []
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _ByShare(config, log)


class _ByShare(LoadScopeScheduling):  # type: ignore[misc] # which has no types
    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False  # they are in order
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def share_of(nodeid: str) -> str:
    if "[postgresql" in nodeid:
        return "PostgreSQL"
    path = nodeid.partition("::")[0]
    return next((share for share, paths in _ONE_SHARE.items() if path.startswith(paths)), path)
