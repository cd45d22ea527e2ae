"""Definitions of networks, one file each."""
