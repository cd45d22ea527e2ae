"""Saves the state of a pruning run to a file, so that a run that was killed goes on as if it had not been."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.runs.resumable import SECONDS, ResumableFile, by_first_part
from pruning_oracle.bench.runs.shapes import built_of, checked_facts
from pruning_oracle.bench.weights import state_dict
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.pruning.cutting.network_facts import STATE
from pruning_oracle.pruning.loop.state import State, TrainingTotals, start

KIND = "pruning state"
PLAIN = ("update", "scored", "rows", "done", "finished", "why")


class StateFile:
    """Saves a run's state at most once in so many `seconds`: after a step, or after some updates of the final fine-tuning.

    Call it with the state; the file lies beside the run's, `out`, and `setting` is everything that its result depends on.
    """

    def __init__(self, out: Path, setting: dict[str, Any], seconds: float = SECONDS) -> None:
        self.kept = ResumableFile(out, KIND, setting, seconds)

    @property
    def path(self) -> Path:
        """The path of the state's file."""
        return self.kept.path

    def __call__(self, state: State) -> None:
        """Saves the state if it was last saved long enough ago."""
        if self.kept.due:
            self.save(state)

    def save(self, state: State) -> None:
        """Saves the state, and with it the last good state (`good`) if there is one."""
        arrays, facts = packed(state)
        if state.good:
            others, facts["good"] = packed(state.good)
            arrays |= {f"good/{name}": array for name, array in others.items()}
        self.kept.save(arrays, facts)

    def found(self, case: Case) -> State:
        """The state that a run of the same setting saved, or the initial state if there is none."""
        file = self.kept.found()
        if file is None:
            return start(case)
        with built_of(self.path):
            facts, first = checked_facts(file, STATE).facts, start(case)
            state = self._unpacked(first, file.arrays, facts)
            if "good" in facts:
                state.good = self._unpacked(first, by_first_part(file.arrays, ("good",))["good"], facts["good"])
            return state

    def _unpacked(self, first: State, arrays: runs.Arrays, facts: dict[str, Any]) -> State:
        parts = by_first_part(arrays, ("network", "momentum", "scores"))
        pruned = network_file.rebuild(first.pruned, facts, parts["network"], str(self.path))
        momenta = {name: torch.tensor(array).to(pruned.case.device) for name, array in parts["momentum"].items()}
        scores = [parts["scores"][site.name] for site in pruned.case.sites] if parts["scores"] else []
        for name, momentum in momenta.items():
            if momentum.shape != pruned.case.model.get_parameter(name).shape:
                raise ValueError(f"the momentum of {name} is {tuple(momentum.shape)}")
        return State(pruned, momenta, scores, **{name: facts[name] for name in PLAIN}, final=TrainingTotals(**facts["final"]))


def packed(state: State) -> tuple[runs.Arrays, dict[str, Any]]:
    """The arrays and facts that store a state in a file; `good` is not among them."""
    case = state.pruned.case
    arrays = {f"network/{name}": array for name, array in state_dict.arrays(case.model).items()}
    arrays |= {f"momentum/{name}": tensor.detach().cpu().numpy() for name, tensor in state.momenta.items()}
    arrays |= {f"scores/{site.name}": score for site, score in zip(case.sites, state.scores, strict=bool(state.scores))}
    facts = {name: getattr(state, name) for name in PLAIN} | {"final": dataclasses.asdict(state.final)}
    return arrays, facts | network_file.description(state.pruned)
