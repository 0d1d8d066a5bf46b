"""The account's endpoints."""

from services.enricher.account.api.entries import EntryApi
from services.enricher.account.api.imports import ImportApi
from services.enricher.account.api.sign_in import sign_in_endpoints, write_endpoints

__all__ = ["EntryApi", "ImportApi", "sign_in_endpoints", "write_endpoints"]
