"""Cases, one file for a network on a data set, with its training and its pruning."""
