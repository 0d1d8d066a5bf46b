"""TVDB, version 4 (https://thetvdb.github.io/v4-api): records with their artwork, by its own ids and others'."""
