"""Trakt (https://docs.trakt.tv), as far as it is asked here: what a title is, by any of its ids, and pictures."""
