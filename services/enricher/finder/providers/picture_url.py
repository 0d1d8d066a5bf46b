"""URLs of pictures as providers spell them, made into the one spelling that gives a picture its id."""

from yarl import URL

from shared.pictures import SourceUrl
from shared.pictures.hosts import picture_host


def picture_url(spelled: str) -> str:
    """Spaces and brackets escaped, and https where the provider's picture host is known to have it.

    Raise ValueError for what is no URL of a picture.
    """
    url = SourceUrl.parse(str(URL(spelled.strip()).with_fragment(None))).url
    if url.scheme == "http" and url.explicit_port is None and picture_host(url.host or ""):
        url = url.with_scheme("https")
    return str(url)
