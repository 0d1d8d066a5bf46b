"""What renderers are forked from: a server of multiprocessing's that has loaded the decoders, and is there while it is needed."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children, forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess

from services.fetcher.rendering import answers
from services.fetcher.rendering.lockdown import without_settings

_PRELOAD = "services.fetcher.rendering.preload"
_PRELOAD_FACES = "services.fetcher.rendering.preload_faces"


def start_forking(*, faces: bool) -> None:
    """Deaf to Ctrl-C and without our keys: each renderer inherits that from its first moment. In the main thread only."""
    forkserver.set_forkserver_preload([answers.__name__, _PRELOAD, *([_PRELOAD_FACES] * faces)])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _clean_environment():
            resource_tracker.ensure_running()
            forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def stop_forking() -> None:
    """And wait for the end of it, some tenths of a second; not where others in this process have what was forked of it.

    Multiprocessing does not stop it by itself: its own tests do so, in all versions that we let in. What looks after
    semaphores stays, for processes of others may be about to use it.
    """
    if not any(isinstance(child, ForkServerProcess) for child in active_children()):
        forkserver._forkserver._stop()  # type: ignore[attr-defined] # noqa: SLF001 - see above


@contextmanager
def _clean_environment() -> Iterator[None]:
    """Without any setting: what starts meanwhile gets no other."""
    all_of_it = dict(os.environ)
    for name in all_of_it.keys() - without_settings(all_of_it).keys():
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(all_of_it)
