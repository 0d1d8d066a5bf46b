"""The keeper: what is stored, how full it is, what leaves, and what failed for good."""

from services.enricher.keeper.keeper import Keeper, open_keeper

__all__ = ["Keeper", "open_keeper"]
