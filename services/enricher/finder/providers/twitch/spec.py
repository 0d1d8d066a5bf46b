"""Twitch: all that there is to know of it as a provider."""

from datetime import timedelta

from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.spending import Limit
from services.enricher.finder.providers.twitch.client import PROVIDER, TwitchSettings, twitch_address

TWITCH_LIMIT = Limit(800, timedelta(minutes=1))
"""In points, of which each request that we make costs one; what is left is told with each answer."""

SPEC = ProviderSpec(
    name="twitch",
    title=PROVIDER,
    settings=TwitchSettings,
    required=("client_id", "client_secret"),
    address=twitch_address,
    limits=(TWITCH_LIMIT,),
    probe="games?id=509658",
)
