"""Endpoints of the providers themselves: whether each accepts its key."""

from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.finder.providers import Condition, ProviderStatus
from services.enricher.finder.providers.opening import Providers


class ShownProvider(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    condition: Condition
    detail: str
    busy_until: AwareDatetime | None = Field(description="It is not asked before")

    @classmethod
    def of(cls, name: str, title: str, status: ProviderStatus) -> Self:
        return cls(name=name, title=title, **status.model_dump())


class ShownProviders(BaseModel):
    model_config = ConfigDict(frozen=True)

    providers: tuple[ShownProvider, ...]


def provider_endpoints(providers: Providers) -> list[Endpoint]:
    def shown() -> ShownProviders:
        statuses = providers.statuses
        return ShownProviders(
            providers=tuple(
                ShownProvider.of(spec.name, spec.title, statuses[spec.name]) for spec in providers.settings
            )
        )

    async def listed(_asked: Parameters) -> ShownProviders:
        """How each provider was when it was last asked; off without its key."""
        return shown()

    async def check(_asked: Parameters) -> ShownProviders:
        """Ask each provider that has a key one small question, within its budget, and say how it answered."""
        await providers.try_keys()
        return shown()

    path, admin = "/api/v1/admin/providers", Access.ADMIN
    return [
        Endpoint("GET", path, listed, ShownProviders, access=admin),
        Endpoint("POST", f"{path}/check", check, ShownProviders, access=admin),
    ]
