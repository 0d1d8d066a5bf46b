"""The finder's endpoints."""
