"""The library's endpoints."""
