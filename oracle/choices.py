"""Choices made by measuring, and remembered: a run that goes on where it was stopped must choose as it did before."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from bench.errors import BadInput


class Choices(dict[str, str]):
    """What was chosen, by the name of the question."""

    def fastest(self, question: str, ways: Mapping[str, Callable[[], Any]]) -> str:
        """The name of the way that takes least time, after each has run once to warm up; or the one chosen before."""
        if question not in self and len(ways) > 1:
            seconds = {}
            for name in [*ways, *ways]:
                start = time.perf_counter()
                ways[name]()
                if torch.cuda.is_initialized():
                    torch.cuda.synchronize()
                seconds[name] = time.perf_counter() - start
            self[question] = min(seconds, key=seconds.__getitem__)
        chosen = self.get(question, next(iter(ways)))
        if chosen not in ways:
            raise BadInput(f"{question}: {chosen!r} was chosen before, but the choice is now between {', '.join(ways)}")
        return chosen
