"""The enricher: the library, what providers say of its titles, and the pages that a frontend shows of both."""
