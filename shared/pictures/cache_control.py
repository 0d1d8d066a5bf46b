"""For how long browsers and CDNs may keep a picture: the words of `Cache-Control`, in the proxies and in nginx."""

DAY = "public, max-age=86400, stale-while-revalidate=604800"
"""`Cache-Control` of a path that may show another picture tomorrow."""


PRIVATE = "private, max-age=3600"
"""`Cache-Control` of what must be signed whoever asks: in nobody's cache but who asked has it."""


YEAR = "public, max-age=31536000, immutable"
"""`Cache-Control` of a path that always shows the same picture."""
