"""The shelf: where a cache puts what shall outlive it, and looks before it asks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """`value` is JSON; None: the provider has nothing there."""

    value: str | None
    expires_at: datetime
    fetched_at: datetime


class Shelf(Protocol):
    async def load(self, key: str) -> Row | None:
        """None also where the shelf cannot be reached."""

    def put(self, key: str, value: str | None, *, expires_at: datetime, fetched_at: datetime) -> None:
        """Soon, together with others."""
