"""Pruning Oracle: what removing each feature map of a convolutional network costs, and how well pruning criteria guess it."""

import sys

if sys.argv[:1] == ["-m"] and any(word.split(".")[0] == __name__ for word in sys.orig_argv):  # a command of the suite starts
    from pruning_oracle.bench.terminal import end_quietly_while_starting

    end_quietly_while_starting()
