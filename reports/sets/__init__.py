"""Sets that criteria and oracles would remove, and what joint losses say of their choice; imports no torch."""
