"""Repairs: what is done to a network right after maps went, without learning, from a few other examples."""
