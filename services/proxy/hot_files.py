"""Hot files: small ones, in memory, as long as the disk still says the same of them."""

from collections import OrderedDict
from dataclasses import dataclass

from shared.volume import StoredFile

HOT_FILE_BYTES = 256 * 1024
"""Larger ones are sent by the kernel."""


@dataclass(frozen=True, slots=True)
class _Hot:
    identity: tuple[int, int, int]
    body: bytes


class HotFiles:
    """A bounded cache of bodies, least recently used out first.

    Every request has looked at the file before it comes here, so a purge or another revision counts at once.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._hot: OrderedDict[str, _Hot] = OrderedDict()

    def read(self, file: StoredFile) -> bytes:
        """The whole file, as it was when it was found. Raise FileNotFoundError when it is another by now."""
        key = str(file.path)
        hot = self._hot.get(key)
        if hot is not None and hot.identity == file.identity:
            self._hot.move_to_end(key)
            return hot.body
        body = file.path.read_bytes()
        if len(body) != file.bytes:
            raise FileNotFoundError(file.path)
        self._keep(key, _Hot(file.identity, body))
        return body

    def _keep(self, key: str, hot: _Hot) -> None:
        if old := self._hot.pop(key, None):
            self._held_bytes -= len(old.body)
        self._hot[key] = hot
        self._held_bytes += len(hot.body)
        while self._held_bytes > self._max_bytes and self._hot:
            _, coldest = self._hot.popitem(last=False)
            self._held_bytes -= len(coldest.body)
