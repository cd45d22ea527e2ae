"""Cases: one file for each network on a data set, with its training recipe and its pruning settings."""
