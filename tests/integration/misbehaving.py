"""A renderer that does what a comment in the picture tells it: all that a decoder with a hole may come to do."""

import ctypes
import hashlib
import os
import resource
import signal
import threading
from collections.abc import Callable, Mapping

from services.fetcher.rendering.render import Order, RenderResult
from services.fetcher.rendering.render import render as soundly

MARK = b"misbehave:"


def render(order: Order) -> RenderResult:
    """As the one it stands in for, where nothing else is asked of it."""
    _, marked, deed = order.original.read_bytes()[:200].partition(MARK)
    if marked:
        _DEEDS[deed[: deed.index(b".")].decode()](order)
    return soundly(order)


def picture_that(jpeg: bytes, deed: str) -> bytes:
    """The JPEG with a comment that makes its renderer do this."""
    comment = MARK + deed.encode() + b"."
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def _hang(_order: Order) -> None:
    """In C, and nobody else gets the interpreter: no signal handler runs either."""
    ctypes.PyDLL(None).sleep(3600)


def _spin(_order: Order) -> None:
    """On every processor there is."""
    threads = [
        threading.Thread(target=hashlib.pbkdf2_hmac, args=("sha256", b"", b"", 10**9), daemon=True)
        for _ in range(os.cpu_count() or 1)
    ]
    for thread in threads:
        thread.start()
    threads[0].join()


def _spin_without_an_alarm(order: Order) -> None:
    """Until it has taken the processor's time that it may, however long that is by the wall clock."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    _spin(order)


def _dereference(_order: Order) -> None:
    ctypes.string_at(0)


def _abort(_order: Order) -> None:
    os.abort()


def _leave(_order: Order) -> None:
    os._exit(0)


def _killed(_order: Order) -> None:
    """As by the kernel, when the machine is out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def _eat(_order: Order) -> None:
    eaten = []
    while True:
        eaten.append(b"\x01" * 2**24)


def _eat_in_c(_order: Order) -> None:
    """As a library that does not look at what malloc returns."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.memset.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    while True:
        libc.memset(libc.malloc(ctypes.c_size_t(2**24)), 1, 2**24)


def _write_on(order: Order) -> None:
    with (order.into / "endless").open("wb") as file:
        while True:
            file.write(bytes(2**22))


def _open_on(order: Order) -> None:
    opened = []
    while True:
        opened.append(order.original.open("rb"))


def _say_limits(order: Order) -> None:
    said = {
        name: resource.getrlimit(getattr(resource, name))[0]
        for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")
    }
    used = resource.getrusage(resource.RUSAGE_SELF)
    said["cpu used"] = int(used.ru_utime + used.ru_stime)
    said["process"] = os.getpid()
    said["policy"] = os.sched_getscheduler(0)
    said["niceness"] = os.nice(0)
    (order.into / "limits").write_text(repr(said))


def _use_cpu(_order: Order) -> None:
    """More than a second of it, in little time."""
    while sum(os.times()[:2]) < 1.2:
        hashlib.sha256(bytes(2**20)).digest()


def _remember_descriptors(order: Order) -> None:
    links = []
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the listing's own descriptor is closed when read
        try:
            links.append(os.readlink(f"/proc/self/fd/{entry}"))  # noqa: PTH115 - as above
        except FileNotFoundError:
            continue
    (order.into / "descriptors").write_text("\n".join(links))


_DEEDS: Mapping[str, Callable[[Order], None]] = {
    "hang": _hang,
    "spin": _spin,
    "spin without an alarm": _spin_without_an_alarm,
    "dereference": _dereference,
    "abort": _abort,
    "leave": _leave,
    "killed": _killed,
    "eat": _eat,
    "eat in C": _eat_in_c,
    "write on": _write_on,
    "open on": _open_on,
    "say limits": _say_limits,
    "use cpu": _use_cpu,
    "descriptors": _remember_descriptors,
}
