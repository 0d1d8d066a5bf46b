"""The catalog: an index of what is on the volume, when it was last used, and what may leave.

The volume says what is there; this only knows it faster. Records in the lane `catalog` make it look, a sweep finds what
they missed, and `python -m services.enricher.catalog` makes it anew.
"""
