"""The enricher: so far it reports how full the lanes are; metadata, library and catalog will live here."""
