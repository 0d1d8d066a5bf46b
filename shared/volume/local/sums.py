"""Checksums of a revision's files, in a file beside them that `sha256sum --check` reads: what each of them should be.

Lines are only ever added, each before its file is in sight, so that whoever adds a file needs no lock. Where two have made
the same rendition, with other bytes, there are two lines for it, and the file is one of them.
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

SUMS = "SHA256SUMS"
_LINE = re.compile(rb"([0-9a-f]{64})  ([A-Za-z0-9.]{1,40})")


def sum_of(file: Path) -> str:
    """SHA-256, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def add_sums(directory: Path, files: Iterable[Path]) -> None:
    """That these files, once they lie in the directory, are as they are now. In one write, which is seen whole or not."""
    lines = "".join(f"{sum_of(file)}  {file.name}\n" for file in files)
    if lines:
        descriptor = os.open(directory / SUMS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, lines.encode())
        finally:
            os.close(descriptor)


def read_sums(directory: Path) -> Mapping[str, frozenset[str]]:
    """What each file may be. A line that a crash has torn counts as none; nor has an old revision any."""
    try:
        lines = (directory / SUMS).read_bytes().split(b"\n")
    except OSError:
        return {}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in lines:
        if whole := _LINE.fullmatch(line):
            found[whole[2].decode()].add(whole[1].decode())
    return {name: frozenset(sums) for name, sums in found.items()}
