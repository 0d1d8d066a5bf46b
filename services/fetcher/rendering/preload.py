"""Imported by the server that forks renderers, once: what it has loaded by then, each of them has from its start."""

import gc
import os
import sys

from services.fetcher.rendering import confinement, heif, practice
from services.fetcher.rendering.lockdown import without_settings


def _begin_anew_without_settings() -> None:
    """Where whoever started the server left it some: multiprocessing itself, after it was killed."""
    clean = without_settings(os.environ)
    if "multiprocessing.forkserver" in sys.orig_argv[-1] and clean != dict(os.environ):
        os.execve(sys.executable, sys.orig_argv, clean)  # noqa: S606 - this same program


_begin_anew_without_settings()
gc.set_threshold(10_000)
confinement.hold_memory_together()
heif.prepare()
practice.go_through_formats()
gc.collect()
gc.freeze()
confinement.give_back_memory()
