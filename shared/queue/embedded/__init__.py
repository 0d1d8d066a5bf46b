"""The queue in this process, over one SQLite file: the default on one machine."""
