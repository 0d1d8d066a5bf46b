"""The keeper: what is stored, how full it is, what leaves, and what failed for good."""
