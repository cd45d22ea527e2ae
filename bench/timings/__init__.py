"""Measurements of speed, memory and precision, run by `make timings`; not tests: what they measure is written, not asserted."""
