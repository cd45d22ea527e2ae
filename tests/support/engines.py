"""Replay engines whose choices are fixed, so that two of them round alike."""

from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.replay import Replay


def engine_of(case):
    """A replay engine for a case that computes every site by whole operations."""
    chosen = {"memory format": "contiguous"} | {site.name: "whole operations" for site in case.sites}
    return Replay(case, choices=Choices(chosen))
