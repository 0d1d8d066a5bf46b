"""Says something else."""

SPEC = "none"
