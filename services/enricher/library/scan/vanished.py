"""What is no more: not seen by a scan, though the disk that it was on is there."""

import os
from collections.abc import Sequence

from services.enricher.library.scan.names import as_text
from services.enricher.library.scan.remembered import Scanned


class Seen:
    """What a scan has seen: by hashes, of which a million take some 100 MB."""

    def __init__(self, root: str) -> None:
        self._root = as_text(root)
        self._paths: set[int] = set()
        self._folders: set[int] = set()
        self._unreadable: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._paths)

    def add(self, path: str) -> bool:
        """Whether it is seen for the first time."""
        text = as_text(path)
        if hash(text) in self._paths:
            return False
        self._paths.add(hash(text))
        for folder in self._above(text):
            if hash(folder) in self._folders:
                break
            self._folders.add(hash(folder))
        return True

    def could_not_read(self, folder: str) -> None:
        self._unreadable.add(hash(as_text(folder)))

    def vanished(self, known: Sequence[Scanned]) -> list[int]:
        """The ids of those that are below the root and are no more. Asks the disk, but only about these."""
        return [row.id for row in known if self._is_below(row.full_path) and self._has_vanished(row)]

    def _has_vanished(self, row: Scanned) -> bool:
        if hash(row.full_path) in self._paths:
            return False
        above = self._above(row.full_path)
        if any(hash(folder) in self._unreadable for folder in (row.full_path, *above)):
            return False
        left = next((folder for folder in above if os.path.isdir(folder)), None)
        return left is not None and (hash(left) in self._folders or _device(left) == row.scan_device)

    def _is_below(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root.rstrip("/") + "/")

    def _above(self, path: str) -> list[str]:
        """The folders that it is in, the nearest first, up to the root."""
        folders = []
        while path != self._root and self._is_below(path):
            path = os.path.dirname(path)
            folders.append(path)
        return folders


def _device(folder: str) -> int | None:
    """An unmounted disk leaves a folder that lies on another one."""
    try:
        return os.stat(folder).st_dev
    except OSError:
        return None
