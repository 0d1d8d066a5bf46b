"""Resolving: which picture a name shows, where an evicted picture comes from, and pins.

Jobs come in the lanes `resolve.now` and `resolve.later`; what they lead to is the fetcher's, in the lanes of pictures.
What was found is kept in the table `artwork`, and looked for again when it is due.
"""
