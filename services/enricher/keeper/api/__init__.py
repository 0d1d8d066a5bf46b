"""The keeper's endpoints."""
