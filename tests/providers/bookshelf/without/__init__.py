"""No provider."""
