"""Guessing title and year from a name. It stands apart, and imports little, because its processes load it anew each."""
