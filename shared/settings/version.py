"""Which Onesheet this is."""

ONESHEET_VERSION = "0.1.0"
