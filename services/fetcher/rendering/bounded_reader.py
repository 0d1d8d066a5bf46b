"""An original as its decoder reads it: never asked for more than it has."""

import io
import os
from pathlib import Path


class BytesThere(io.BufferedReader):
    """A file that takes no memory for bytes it does not have, however many its own chunks say there are."""

    def __init__(self, path: Path) -> None:
        raw = io.FileIO(path)
        super().__init__(raw)
        self._bytes = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None else min(size, self._bytes))
