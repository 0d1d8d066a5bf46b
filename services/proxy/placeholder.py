"""What a browser's image shows while the picture is on its way: small, and never kept as the picture."""

from base64 import b64decode

MEDIA_TYPE = "image/gif"
BODY = b64decode("R0lGODlhAQABAIAAAM7OzgAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==")
"""One grey pixel, which fills whatever box the page gives it."""
