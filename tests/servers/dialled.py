"""Which addresses this process connects to, as the interpreter itself reports it; none of them lies outside."""

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_watching: list[list[tuple[str, int]]] = []


@contextmanager
def dialled() -> Iterator[list[tuple[str, int]]]:
    """The addresses and ports that were dialled within. Nobody answers at one that is not of this machine."""
    if not _hook_added:
        sys.addaudithook(_note)
        _hook_added.append(True)
    seen: list[tuple[str, int]] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


_hook_added: list[bool] = []
"""A hook stays for the life of the process; outside `dialled` it does nothing."""


def _note(event: str, args: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not _watching or not isinstance(args[1], tuple):
        return
    host, port = args[1][:2]
    for seen in _watching:
        seen.append((host, port))
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        raise ConnectionRefusedError("nobody outside is dialled from here")
