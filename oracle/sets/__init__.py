"""Joint losses: what removing sets of maps costs."""
