"""A pytest plugin that tests the criteria of a file against their baselines."""
