"""What can be set of metadata."""

from datetime import timedelta

from pydantic import Field

from shared.settings import CommaList, Settings


class MetadataSettings(Settings):
    ttl_s: float = Field(3600, validation_alias="METADATA_TTL", ge=1)
    """Of what Trakt says. TMDB's is kept by what it is."""
    page_deadline_s: float = Field(2, validation_alias="PAGE_DEADLINE", gt=0)
    languages: CommaList = Field(("en",), validation_alias="LANGUAGES", min_length=1)
    memory_mb: float = Field(64, validation_alias="METADATA_CACHE_MB", gt=0)
    """For each provider."""
    max_entries: int = Field(50_000, validation_alias="METADATA_CACHE_ENTRIES", gt=0)
    tmdb_cache_mb: float = Field(512, validation_alias="TMDB_CACHE_MB", gt=0)
    """On disk."""

    @property
    def ttl(self) -> timedelta:
        return timedelta(seconds=self.ttl_s)

    @property
    def page_deadline(self) -> timedelta:
        return timedelta(seconds=self.page_deadline_s)

    @property
    def memory_bytes(self) -> int:
        return int(self.memory_mb * 1024 * 1024)

    @property
    def tmdb_cache_bytes(self) -> int:
        return int(self.tmdb_cache_mb * 1024 * 1024)
