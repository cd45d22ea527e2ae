"""The pipeline that `make` runs: the stages' own commands for cases and seeds."""
