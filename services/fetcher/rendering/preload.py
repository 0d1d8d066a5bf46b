"""Imported by the server that forks renderers, once: what it has loaded by then, each of them has from its start."""

import gc

from services.fetcher.rendering import confinement, practice

confinement.hold_memory_together()
practice.go_through_formats()
gc.collect()
gc.freeze()
confinement.give_back_memory()
