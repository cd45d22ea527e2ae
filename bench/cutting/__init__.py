"""Deletes maps from a network physically: which numbers carry a map, what a cut changes, and the trial that proves it."""
