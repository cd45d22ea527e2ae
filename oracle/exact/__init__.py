"""The fast exact engine: many removals side by side, each recomputing only what depends on the removed map."""
