"""Criteria held to what they reached: baselines, and the test against them."""
