"""Choices made by timing, and remembered: a run that resumes must choose as it did before."""

from collections.abc import Callable, Mapping
from typing import Any

from pruning_oracle.bench.clock import timed
from pruning_oracle.bench.errors import BadInput


class TimedChoices(dict[str, str]):
    """The names of the ways chosen, by question: `memory format`, or a site's name."""

    def fastest(self, question: str, ways: Mapping[str, Callable[[], Any]]) -> str:
        """The name of the fastest way, or of the one chosen before; raises BadInput if that is not among `ways`."""
        if question not in self and len(ways) > 1:
            seconds = {name: timed(way) for name, way in ways.items()}
            self[question] = min(seconds, key=seconds.__getitem__)
        chosen = self.get(question, next(iter(ways)))
        if chosen not in ways:
            raise BadInput(f"{question}: {chosen!r} was chosen before, but the choice is now between {', '.join(ways)}")
        return chosen
