"""Regression test of criteria: the agreement that they reached before (baselines), and the comparison with it."""
