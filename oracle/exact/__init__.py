"""The fast exact engine: removals side by side, each running again only what depends on the removed map."""
