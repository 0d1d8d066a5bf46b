"""Imported after `preload` by the server that forks renderers, where faces are counted."""

import gc

from services.fetcher.rendering import confinement, faces

faces.prepare()
gc.collect()
gc.freeze()
confinement.give_back_memory()
