"""A service as a process: how it starts, as whom, and how it ends."""
