"""The estimated oracle tried against the exact one."""
