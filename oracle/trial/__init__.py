"""Trials of the estimated oracle against the exact one."""
