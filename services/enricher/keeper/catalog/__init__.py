"""The catalog: an index of what is on the volume, when it was last used, and what may leave.

The volume says what is there; this only knows it faster. Records in the lane `catalog` make it look, a sweep finds what
they missed, and `python -m services.enricher.catalog` makes it anew.
"""

from services.enricher.keeper.catalog.budget import CatalogSettings, DiskBudget, DiskStatus
from services.enricher.keeper.catalog.entry import CatalogEntry
from services.enricher.keeper.catalog.opening import OpenCatalog, open_catalog
from services.enricher.keeper.catalog.statistics import CatalogStatistics, DiskUse, statistics
from services.enricher.keeper.catalog.table import CatalogFilter, CatalogTable, ShownBy

__all__ = [
    "CatalogEntry",
    "CatalogFilter",
    "CatalogSettings",
    "CatalogStatistics",
    "CatalogTable",
    "DiskBudget",
    "DiskStatus",
    "DiskUse",
    "OpenCatalog",
    "ShownBy",
    "open_catalog",
    "statistics",
]
