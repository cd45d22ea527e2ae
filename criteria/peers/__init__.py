"""Other libraries' criteria, computed as those libraries compute them, one file per library."""
