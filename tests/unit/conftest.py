"""Properties: as many examples as take a moment, and no deadline that a busy machine could miss."""

from hypothesis import settings

settings.register_profile("onesheet", deadline=None, max_examples=100)
settings.load_profile("onesheet")
