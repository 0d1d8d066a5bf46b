"""A service as a process: how it starts, as whom, and how it ends."""

from shared.process.start import serve, start

__all__ = ["serve", "start"]
