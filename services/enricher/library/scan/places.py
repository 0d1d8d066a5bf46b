"""Which folders may be scanned."""

import os
from collections.abc import Iterable
from pathlib import Path


class ScanRefused(Exception):
    """A folder that is not scanned; the text says why."""


class Places:
    def __init__(self, roots: Iterable[str]) -> None:
        self.roots = tuple(Path(root).resolve() for root in roots)

    def checked(self, path: str) -> str:
        """The folder as it will be walked: absolute, links in it as they are.

        Raises ScanRefused where it lies outside of the places, or is no folder that can be read.
        """
        folder = os.path.abspath(path)
        if "\0" in path or not self._allows(folder):
            raise ScanRefused(self._why_not(path))
        try:
            os.scandir(folder).close()
        except OSError as error:
            raise ScanRefused(f"{path} cannot be read: {error.strerror}.") from error
        return folder

    def _allows(self, folder: str) -> bool:
        return any(Path(folder).resolve().is_relative_to(root) for root in self.roots)

    def _why_not(self, path: str) -> str:
        if not self.roots:
            return "No folder may be scanned: name those that may in LIBRARY_ROOTS."
        return f"{path} lies outside of LIBRARY_ROOTS."
