"""Replay engines whose choices are fixed instead of timed, so that two of them round alike."""

from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.exact.timed_choices import TimedChoices


def engine_of(case):
    """A replay engine for a case that computes every site by whole operations."""
    chosen = {"memory format": "contiguous"} | {site.name: "whole operations" for site in case.sites}
    return Replay(case, choices=TimedChoices(chosen))
