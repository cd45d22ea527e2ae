"""What the explorable page holds: facts and columns of the runs that it shows."""
