"""A pytest plugin that holds a file of criteria to their baselines."""
