"""The providers of metadata and pictures, each asked in its own words and within its own budgets.

Each is a package of its own and a line in `registry`; its `spec.SPEC` says all that is to be known of it.

`trakt.Trakt` and `tmdb.Tmdb` answer with models or raise a `ProviderError`. Every question comes with a
`Turn`: how urgent it is, and until when its answer is wanted.
"""

from services.enricher.finder.providers.budget import RateBudget, Turn
from services.enricher.finder.providers.errors import (
    Broken,
    Busy,
    Condition,
    Misconfigured,
    NotAsked,
    NothingThere,
    ProviderError,
    ProviderStatus,
    Refused,
    Unreadable,
)
from services.enricher.finder.providers.registry import ProviderSettings
from services.enricher.finder.providers.spending import Limit, Urgency

__all__ = [
    "Broken",
    "Busy",
    "Condition",
    "Limit",
    "Misconfigured",
    "NotAsked",
    "NothingThere",
    "ProviderError",
    "ProviderSettings",
    "ProviderStatus",
    "RateBudget",
    "Refused",
    "Turn",
    "Unreadable",
    "Urgency",
]
