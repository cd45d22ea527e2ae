"""A run's state as a file, from which it goes on after a kill as it would have gone on without."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import torch

from bench import embedded, runs
from bench.case import Case
from pruning import network
from pruning.state import Learned, State, copied, start
from pruning.surgery import Pruned

KIND = "pruning state"
SECONDS = 20.0  # of work between two savings, which come at the end of a step, or of some updates of the final fine-tuning
PLAIN = ("update", "scored", "rows", "done", "finished", "why")


class Keeper:
    """Saves a run's state now and then."""

    def __init__(self, path: Path, setting: dict[str, Any], seconds: float = SECONDS) -> None:
        self.path, self.setting, self.seconds, self.last = path, setting, seconds, time.monotonic()

    def __call__(self, state: State) -> None:
        """Saves the state if the last time is long ago."""
        if time.monotonic() - self.last >= self.seconds:
            self.save(state)

    def save(self, state: State) -> None:
        """Saves the state, and the one to go back to if there is one."""
        arrays, facts = packed(state)
        if state.good:
            others, facts["good"] = packed(state.good)
            arrays |= {f"good/{name}": array for name, array in others.items()}
        runs.save(self.path, KIND, arrays, facts | {"setting": self.setting})
        self.last = time.monotonic()

    def found(self, case: Case) -> State:
        """The state that was saved by a run of the same setting, or the start."""
        if not self.path.is_file():
            return start(case)
        file = runs.load(self.path, KIND)
        if file.facts["setting"] != self.setting:
            print(f"{self.path} is of other settings or another version: it is not used")
            return start(case)
        state = self._unpacked(case, file.arrays, file.facts)
        if "good" in file.facts:
            others = {name.removeprefix("good/"): array for name, array in file.arrays.items() if name.startswith("good/")}
            state.good = self._unpacked(case, others, file.facts["good"])
        return state

    def _unpacked(self, case: Case, arrays: runs.Arrays, facts: dict[str, Any]) -> State:
        first = start(case)
        gone = {
            (name, index) for name, maps in first.pruned.wiring.maps.items() for index in set(maps) - set(facts["maps"][name])
        }
        parts: dict[str, runs.Arrays] = {"network": {}, "momentum": {}, "scores": {}, "good": {}}
        for name, array in arrays.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = array
        smaller = network.fill(copied(case), facts, parts["network"], str(self.path))
        momenta = {name: torch.tensor(array).to(case.device) for name, array in parts["momentum"].items()}
        scores = [parts["scores"][site.name] for site in smaller.sites] if parts["scores"] else []
        pruned = Pruned(smaller, first.pruned.whole, first.pruned.wiring.without(gone))
        return State(pruned, momenta, scores, **{name: facts[name] for name in PLAIN}, final=Learned(**facts["final"]))


def packed(state: State) -> tuple[runs.Arrays, dict[str, Any]]:
    """A state as arrays and facts."""
    case = state.pruned.case
    arrays = {f"network/{name}": array for name, array in embedded.arrays(case.model).items()}
    arrays |= {f"momentum/{name}": tensor.detach().cpu().numpy() for name, tensor in state.momenta.items()}
    arrays |= {f"scores/{site.name}": score for site, score in zip(case.sites, state.scores, strict=bool(state.scores))}
    facts = {name: getattr(state, name) for name in PLAIN} | {"maps": dict(state.pruned.wiring.maps)}
    return arrays, facts | {"final": dataclasses.asdict(state.final)} | network.describe(case)
