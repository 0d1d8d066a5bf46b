"""Confinement: what a process that decodes strangers' bytes may take, by limits that the kernel enforces."""

import ctypes
import math
import os
import resource
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from services.fetcher.rendering.lockdown import Reach, lock_down

A = TypeVar("A")
B = TypeVar("B")

FILE_BYTES = 64 * 1024**2
"""Of one rendition: several times the pixels of the largest size, uncompressed."""

DESCRIPTORS = 64
OUT_OF_MEMORY = 86
"""The exit status of a process whose memory did not suffice."""

GRACE_S = 1
"""The parent kills first, where it can; and the kernel counts processor time in whole seconds."""

CPU_SHARE = 0.8
"""Of the time limit. Who spins is ended by this limit, so that the wall clock's ends those who wait for something."""

# Of glibc's <malloc.h> and Linux' <sys/prctl.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_MMAP_FROM_BYTES = 32 * 1024**2
_KEPT_BYTES = 64 * 1024**2
_PR_SET_NO_NEW_PRIVS = 38


_STATUS = "/proc/self/status"
_not_given_up: list[str] = []
_status: list[int] = []


def confine(memory_bytes: int, when_idle: bool, reach: Reach) -> None:
    """Once in a process, before its first order. Limits that its own surroundings set lower stay lower.

    What decoders load at their first picture should be loaded by then, see `preload`: behind the lockdown it may be
    out of reach.
    """
    _leave_signals()
    _give_way(when_idle)
    _gain_no_rights()
    hold_memory_together()
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, DESCRIPTORS)
    _limit(resource.RLIMIT_CORE, 0)
    _fall_silent()
    with suppress(OSError):
        _status[:] = [os.open(_STATUS, os.O_RDONLY | os.O_CLOEXEC)]  # out of reach by the next line
    _not_given_up[:] = lock_down(reach)


def not_given_up() -> str:
    """Of what a renderer should have no right to, what this process still has, and why; empty: nothing."""
    return "; ".join(_not_given_up)


def peak_bytes() -> int:
    """The most address space that this process has had. Raise OSError where the system does not tell."""
    told = os.pread(_status[0], 4096, 0) if _status else Path(_STATUS).read_bytes()
    return 1024 * int(told.partition(b"VmPeak:")[2].split()[0])


def run_confined(work: Callable[[A], B], order: A, limit_s: float) -> B:
    """Do one order in at most so much time, by the wall clock and by the processor's.

    Without enough memory the process ends, for what is left of it is in no state to go on.
    """
    before = resource.getrlimit(resource.RLIMIT_CPU)
    _cpu_until_s[:] = [_allow_cpu(CPU_SHARE * limit_s)]
    signal.setitimer(signal.ITIMER_REAL, limit_s + GRACE_S)
    try:
        return work(order)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _cpu_until_s.clear()
        resource.setrlimit(resource.RLIMIT_CPU, before)


DRAWING_S = 5.0
"""Of the processor's time for one drawing in one size, however much its order has: they are drawn by strangers' programs."""

_cpu_until_s: list[int] = []
"""Of the order that is done just now."""


def allow_for_drawing() -> None:
    """Let what is drawn from here on take so much of the processor's time; where nothing is confined, do nothing."""
    if _cpu_until_s:
        _allow_cpu(DRAWING_S, at_most_until_s=_cpu_until_s[0])


def _leave_signals() -> None:
    """Ctrl-C is the parent's business. The others end us in the kernel: a decoder that hangs runs no handler."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for ending in (signal.SIGTERM, signal.SIGALRM, signal.SIGXCPU):
        signal.signal(ending, signal.SIG_DFL)


def _give_way(when_idle: bool) -> None:
    """The processor belongs to whoever serves pictures. Nice in any case: the system counts that apart."""
    if not when_idle:
        os.nice(1)
        return
    os.nice(19)
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _fall_silent() -> None:
    """Decoders print a line for each oddity that they meet, and one file may hold thousands."""
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _gain_no_rights() -> None:
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def hold_memory_together() -> None:
    """One arena, for each thread's own reserves 64 MB of address space; large blocks go back when freed.

    What Pillow and the encoders take again for every picture is kept: getting it anew from the kernel, page by
    page, would cost a tenth of all the time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _MMAP_FROM_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back_memory() -> None:
    """What was taken and is free again, to the kernel."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def _allow_cpu(seconds: float, *, at_most_until_s: int = resource.RLIM_INFINITY) -> int:
    """From here on: threads of one decoder may use several processors at once. Return until when, as the kernel counts."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    until = _lower(_lower(math.ceil(used.ru_utime + used.ru_stime + seconds), at_most_until_s), hard)
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))
    return until


def _limit(what: int, most: int) -> None:
    soft, hard = resource.getrlimit(what)
    most = _lower(_lower(most, soft), hard)
    resource.setrlimit(what, (most, most))


def _lower(one: int, other: int) -> int:
    return one if other == resource.RLIM_INFINITY else min(one, other)
