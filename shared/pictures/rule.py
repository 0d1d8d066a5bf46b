"""Rules: what our policy may refuse a host or a URL by."""

from enum import StrEnum


class RefusalReason(StrEnum):
    """The metric's label, and the word in the log."""

    HOST = "host not allowed"
    PORT = "port not allowed"
    ADDRESS = "address not public"
    URL = "no plain URL"
    FRAGMENT = "fragment"
    QUERY = "too many queries"
    DOWNGRADE = "from https to http"
    REDIRECTS = "too many redirects"
