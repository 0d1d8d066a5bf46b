"""A renderer that does what a comment in the picture tells it: all that a decoder with a hole may come to do."""

import ctypes
import hashlib
import importlib
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from services.fetcher.rendering.confinement import peak_bytes
from services.fetcher.rendering.render import Order, RenderResult
from services.fetcher.rendering.render import render as soundly

MARK = b"misbehave:"
CODE = Path(__file__).parents[2]
"""What a renderer must be able to read to misbehave."""


def render(order: Order) -> RenderResult:
    """As the one it stands in for, where nothing else is asked of it."""
    _, marked, deed = order.original.read_bytes()[:200].partition(MARK)
    if marked:
        asked = deed[: deed.index(b".")].decode()
        if asked == "hand out a state file":
            return replace(soundly(order), sanitised=order.into.parents[1] / "state" / "admin-token")
        _DEEDS[asked](order)
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
    said["niceness"] = os.getpriority(os.PRIO_PROCESS, 0)
    (order.into / "limits").write_text(repr(said))


def _starve(_order: Order) -> None:
    """As who gives way does where others take the processor whole."""
    while os.sched_getscheduler(0) == os.SCHED_IDLE:
        time.sleep(0.01)


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


def _read_a_state_file(order: Order) -> None:
    (order.into.parents[1] / "state" / "admin-token").read_text()


def _say_environment(order: Order) -> None:
    (order.into / "environment").write_text("\n".join(os.environ))


def _read_the_parents_environment(_order: Order) -> None:
    Path(f"/proc/{os.getppid()}/environ").read_bytes()


def _read_the_parents_memory(_order: Order) -> None:
    Path(f"/proc/{os.getppid()}/mem").open("rb").close()


def _write_the_volume(order: Order) -> None:
    (order.into.parents[1] / "stored" / "planted").write_bytes(b"")


def _change_a_files_mode(order: Order) -> None:
    (order.into.parents[1] / "state" / "admin-token").chmod(0o644)


def _link_to_a_file(order: Order) -> None:
    (order.into / "link").symlink_to(order.into.parents[1] / "state" / "admin-token")


def _connect(order: Order) -> None:
    port = int((order.into.parent / "port").read_text())
    socket.create_connection(("127.0.0.1", port), timeout=1).close()


def _send_a_datagram(order: Order) -> None:
    port = int((order.into.parent / "port").read_text())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("127.0.0.1", port))


def _signal_the_parent(_order: Order) -> None:
    os.kill(os.getppid(), 0)


def _fork(_order: Order) -> None:
    if not os.fork():
        os._exit(0)


def _start_a_program(_order: Order) -> None:
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def _become_a_program(_order: Order) -> None:
    os.execv("/bin/true", ["true"])


def _start_a_thread(_order: Order) -> None:
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()


def _import_late(_order: Order) -> None:
    """What no decoder has imported yet; standard libraries are within reach."""
    importlib.import_module("xmlrpc.client")


def _say_rights(order: Order) -> None:
    libc = ctypes.CDLL(None)
    data = (ctypes.c_uint32 * 6)()
    libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), data)
    bounding = sum(libc.prctl(23, capability, 0, 0, 0) == 1 for capability in range(64))
    said = {"capabilities": sum(data), "bounding": bounding, "dumpable": libc.prctl(3, 0, 0, 0, 0)}
    said["processes"] = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    said["seccomp"] = libc.prctl(21, 0, 0, 0, 0)
    (order.into / "rights").write_text(repr(said))


def _read_the_fonts(order: Order) -> None:
    assert order.font_directories
    for directory in order.font_directories:
        for font in Path(directory).iterdir():
            font.read_bytes()


def _say_peak(order: Order) -> None:
    (order.into / "peak").write_text(str(peak_bytes()))


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
    "starve": _starve,
    "use cpu": _use_cpu,
    "descriptors": _remember_descriptors,
    "read a state file": _read_a_state_file,
    "say environment": _say_environment,
    "read the parent's environment": _read_the_parents_environment,
    "read the parent's memory": _read_the_parents_memory,
    "write the volume": _write_the_volume,
    "change a file's mode": _change_a_files_mode,
    "link to a file": _link_to_a_file,
    "connect": _connect,
    "send a datagram": _send_a_datagram,
    "signal the parent": _signal_the_parent,
    "fork": _fork,
    "start a program": _start_a_program,
    "become a program": _become_a_program,
    "start a thread": _start_a_thread,
    "import late": _import_late,
    "say rights": _say_rights,
    "say peak": _say_peak,
    "read the fonts": _read_the_fonts,
}
