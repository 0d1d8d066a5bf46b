"""Lockdown: what a renderer gives up for good before its first order, so that who takes it over has nothing to take.

Landlock (https://docs.kernel.org/userspace-api/landlock.html), system calls by libseccomp, capabilities. Each is the
kernel's, and a kernel or a container may lack it: what could not be given up is told, and renderers work without.
"""

import ctypes
import errno
import os
import resource
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import NoReturn

from services import fetcher

PROCESSES = 4096
"""Of the renderers' user, threads counted: who forks without end meets it. Everything that user runs counts."""

_KEPT_IN_ENVIRONMENT = ("PATH", "LANG", "TZ", "TMPDIR")
_KEPT_KINDS = ("LC_", "LD_", "PYTHON", "MALLOC_", "ASAN_")
"""By how their names begin. None is a setting of ours, and none holds a key."""

# Of Linux' <sys/prctl.h>, <linux/capability.h>.
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES_AT_MOST = 64

# Of <linux/landlock.h>; the system calls have these numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_TELL_VERSION = 1
_RULE_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 5
_MAKE_REGULAR, _TRUNCATE = 1 << 8, 1 << 14
_OF_FILES = 1 << 0 | _WRITE_FILE | _READ_FILE | _TRUNCATE
_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
"""By the version that brought them: of files, to move between directories, to cut short, to command devices."""
_TCP = {4: 0b11}
_SCOPES = {6: 0b11}
"""Abstract sockets and signals stay within the process."""

_READS = _READ_FILE | _READ_DIR
_WRITES = _READS | _WRITE_FILE | _MAKE_REGULAR | _REMOVE_FILE | _TRUNCATE

# Of <seccomp.h>.
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_SPECULATION = 7
"""The attribute without which older kernels slow a filtered process down."""
_NOT_EQUAL, _MASKED_EQUAL = 1, 7
_CLONE_THREAD = 0x00010000

_REFUSED = {
    "programs and processes": "execve execveat fork vfork ptrace process_vm_readv process_vm_writev"
    " process_madvise kcmp pidfd_open pidfd_getfd unshare setns",
    "the network": "socket bind connect listen accept accept4",
    "signals": "tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal",
    "others' memory": "shmget msgget semget mq_open userfaultfd",
    "files that Landlock does not govern": "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat setxattr"
    " lsetxattr fsetxattr removexattr lremovexattr fremovexattr utime utimes futimesat utimensat symlink symlinkat"
    " link linkat mknod mknodat",
    "the system": "io_uring_setup bpf perf_event_open keyctl add_key request_key mount umount2 pivot_root chroot"
    " open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr name_to_handle_at open_by_handle_at",
    "the processor's share": "setpriority sched_setscheduler sched_setparam sched_setattr sched_setaffinity"
    " ioprio_set",
}


@dataclass(frozen=True, slots=True)
class Reach:
    """The directories of the volume that a renderer may open files in; absolute, and what lies below them too."""

    reads: tuple[Path, ...]
    writes: tuple[Path, ...]

    def identities(self) -> tuple[tuple[int, int] | None, ...]:
        """Which directories these are now; None for one that is not there. What was allowed is a directory and no
        path: where another lies in its place, it is not allowed.
        """
        return tuple(map(_identity, (*self.reads, *self.writes)))


def lock_down(reach: Reach) -> tuple[str, ...]:
    """Give up all but `reach`, in a process without other threads. Return what could not be given up, and why."""
    lacking = [
        *_tried("files and TCP (Landlock)", lambda: _confine_to(reach)),
        *_tried("processes, signals and all of the network (libseccomp)", _refuse_calls),
        *_tried("capabilities", _drop_capabilities),
    ]
    _bound_processes()
    hide_memory()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        lacking.append("the user root (set PUID and PGID)")
    return tuple(lacking)


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What a renderer's may have."""
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT_IN_ENVIRONMENT or name.startswith(_KEPT_KINDS)
    }


def hide_memory() -> None:
    """From other processes of the same user, who could read keys in it; and from core dumps."""
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _tried(what: str, give_up: Callable[[], None]) -> list[str]:
    try:
        give_up()
    except (OSError, AttributeError) as error:
        return [f"{what}: {error.strerror if isinstance(error, OSError) and error.strerror else error}"]
    return []


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("directory", ctypes.c_int32))


def _confine_to(reach: Reach) -> None:
    if os.uname().sysname != "Linux":  # whose system calls have other numbers
        _fail(errno.ENOSYS)
    version = _call(_CREATE_RULESET, None, 0, _TELL_VERSION)
    rules = _Ruleset(*(_known(by_version, version) for by_version in (_RIGHTS, _TCP, _SCOPES)))
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    try:
        for path in (*_system_paths(), *reach.reads):
            _allow(ruleset, path, _READS & rules.files)
        for path in (Path(os.devnull), *reach.writes):
            _allow(ruleset, path, _WRITES & rules.files)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _known(by_version: Mapping[int, int], version: int) -> int:
    return sum(bits for since, bits in by_version.items() if since <= version)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """What is not there need not be allowed."""
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        beneath = _Beneath(rights if path.is_dir() else rights & _OF_FILES, opened)
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(opened)


def _system_paths() -> tuple[Path, ...]:
    """Python, our own code and shared libraries: a decoder may load a part of itself late."""
    ours = Path(fetcher.__file__).parents[1]
    python = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    libraries = (f"{sys.prefix}/lib", f"{sys.base_prefix}/lib", "/lib", "/lib64", "/usr/lib", "/usr/lib64")
    others = ("/usr/local/lib", "/etc/ld.so.cache", "/dev/urandom")
    return (ours, ours.parent / "shared", *map(Path, dict.fromkeys((*python, *libraries, *others))))


def _call(number: int, *arguments: object) -> int:
    """A system call that the C library has no function for. Raise OSError."""
    done = int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments))
    if done < 0:
        _fail(ctypes.get_errno())
    return done


def _fail(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


def _refuse_calls() -> None:
    """All but these are allowed: which calls a decoder makes is for it to choose, and what it may not do is known."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    if not (made := seccomp.seccomp_init(ctypes.c_uint32(_ALLOW))):
        _fail(errno.ENOMEM)
    rules = ctypes.c_void_p(made)
    seccomp.seccomp_attr_set(rules, _SPECULATION, 1)

    def refuse(call: str, number: int = errno.EPERM, where: _Comparison | None = None) -> None:
        known = seccomp.seccomp_syscall_resolve_name(call.encode())
        count, conditions = (1, ctypes.byref(where)) if where else (0, None)
        seccomp.seccomp_rule_add_array(rules, ctypes.c_uint32(_REFUSE | number), known, count, conditions)

    try:
        for calls in _REFUSED.values():
            for call in calls.split():
                refuse(call)
        for call, mine in (("kill", os.getpid()), ("tgkill", os.getpid()), ("prlimit64", 0)):
            refuse(call, where=_Comparison(0, _NOT_EQUAL, mine, 0))
        refuse("clone", where=_Comparison(0, _MASKED_EQUAL, _CLONE_THREAD, 0))  # decoders have threads
        refuse("clone3", errno.ENOSYS)  # whose flags cannot be looked at: who makes threads then asks clone
        if (failed := seccomp.seccomp_load(rules)) < 0:
            _fail(-failed)
    finally:
        seccomp.seccomp_release(rules)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


def _drop_capabilities() -> None:
    """Root's as well: it then may no more than the owner of its files."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_CAPABILITIES_AT_MOST):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused where there is none to be dropped
    header, none = _CapabilityHeader(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(ctypes.byref(header), ctypes.byref(none)):
        _fail(ctypes.get_errno())


def _bound_processes() -> None:
    """Unless the user has so many already that a decoder could not have its threads."""
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    bounds = [PROCESSES, *(bound for bound in before if bound != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_NPROC, (min(bounds), before[1]))
    thread = Thread(target=_nothing)
    try:
        thread.start()
    except RuntimeError:
        resource.setrlimit(resource.RLIMIT_NPROC, before)
        return
    thread.join()
    resource.setrlimit(resource.RLIMIT_NPROC, (min(bounds), min(bounds)))


def _nothing() -> None:
    pass


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None
