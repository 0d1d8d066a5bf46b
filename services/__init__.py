"""What makes a start cheap, before anything of a service is loaded."""

import gc
import sys

from pydantic import BaseModel

_TOO_LATE = {"structlog", "rich", "multiprocessing.forkserver"}
"""The last is what renderers are forked from, which logs nothing."""

if _TOO_LATE.isdisjoint(sys.modules):
    sys.modules["rich"] = None  # type: ignore[assignment] # structlog loads it for tracebacks that are not ours: 3 MB
    import structlog as _  # noqa: F401 - without it

    del sys.modules["rich"]

BaseModel.model_config["defer_build"] = True
"""Most models are of one endpoint or provider each: their validators are built when the first one is needed."""

gc.set_threshold(200_000)
"""So many new objects that may be in a cycle, instead of 700: what is loaded stays, and is looked through in vain. A service looks
sooner once it listens.
"""
