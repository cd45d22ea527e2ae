"""Deleting maps from a network, and the smaller network as a file."""
