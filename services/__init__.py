"""What makes a start cheap, before anything of a service is loaded."""

import gc
import ssl
import sys
from functools import wraps
from typing import Any

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


def _read_trusted_later(context: ssl.SSLContext) -> None:
    """The certificates that this system trusts are read before the first connection: aiohttp asks for them twice as it is
    imported, and few services connect to anybody before they listen.
    """
    context.__dict__["reads_trusted"] = True


def _with_trusted(connecting: str) -> None:
    """One of the two ways into a connection: what was put off is read before it, also by two threads at once."""
    connect = getattr(ssl.SSLContext, connecting)

    @wraps(connect)
    def connect_with_trusted(context: ssl.SSLContext, *args: Any, **options: Any) -> Any:
        if "reads_trusted" in context.__dict__:
            super(ssl.SSLContext, context).set_default_verify_paths()
            context.__dict__.pop("reads_trusted", None)
        return connect(context, *args, **options)

    setattr(ssl.SSLContext, connecting, connect_with_trusted)


ssl.SSLContext.set_default_verify_paths = _read_trusted_later  # type: ignore[assignment]
_with_trusted("wrap_bio")
_with_trusted("wrap_socket")
