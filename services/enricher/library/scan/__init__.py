"""Scanning folders for movies and series, as a task.

`Scans.start(path)` asks for a scan, `Scan` is its work. A movie is its file, or the folder of its disc; a series is its
folder, whatever the number of episodes; a series that has no folder is the first of its files. What earlier scans found
and is unchanged is not read again; what is no more is taken out, unless its disk or folder cannot be read.
"""
