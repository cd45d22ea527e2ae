"""The pipeline: the stages' commands for cases and seeds, several at a time; what `make` and `pruning-oracle compare` run."""
