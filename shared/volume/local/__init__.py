"""The volume as local files: the one place that knows of directories, links, inodes and flushes."""
