"""Evidence that takes passes of its own, one file per kind."""
