"""The catalog: an index of what is on the volume, when it was last used, and what may leave.

The volume says what is there; this only knows it faster. Records in the lane `catalog` make it look, a sweep finds what
they missed, and `python -m services.enricher.catalog` makes it anew.
"""

from services.enricher.catalog.budget import Budget, Standing
from services.enricher.catalog.entry import Entry
from services.enricher.catalog.opening import OpenCatalog, open_catalog
from services.enricher.catalog.settings import CatalogSettings
from services.enricher.catalog.statistics import DiskUse, Statistics, statistics
from services.enricher.catalog.table import CatalogTable, Filter

__all__ = [
    "Budget",
    "CatalogSettings",
    "CatalogTable",
    "DiskUse",
    "Entry",
    "Filter",
    "OpenCatalog",
    "Standing",
    "Statistics",
    "open_catalog",
    "statistics",
]
