"""Deletes maps from a network physically, and stores the smaller network as a file."""
