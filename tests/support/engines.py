"""Engines that choose nothing by the clock, so that two of them round alike."""

from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.exact.timed_choices import TimedChoices


def engine_of(case):
    """One for that case, every site by whole operations."""
    chosen = {"memory format": "contiguous"} | {site.name: "whole operations" for site in case.sites}
    return Replay(case, choices=TimedChoices(chosen))
