"""How well scores agree with the oracle: correlations, intervals, noise ceilings."""
