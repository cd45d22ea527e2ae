"""What reports read: files of runs, of pruning runs, and committed records."""
