"""Engines that choose nothing by the clock, so that two of them round alike."""

from oracle.choices import Choices
from oracle.replay import Replay


def engine_of(case):
    """One for that case, every site by whole operations."""
    chosen = {"memory format": "contiguous"} | {site.name: "whole operations" for site in case.sites}
    return Replay(case, choices=Choices(chosen))
