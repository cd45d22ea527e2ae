"""Checkpoints of a fine-tuning: its state, saved now and then, from which a killed run goes on as if never interrupted."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.resumable import SECONDS, ResumableFile, by_first_part
from pruning_oracle.bench.runs.shapes import built_of, checked_facts
from pruning_oracle.bench.weights import state_dict

KIND = "fine-tuning state"


@dataclass
class TrainingProgress:
    """The progress of a fine-tuning: how many epochs are done, its learning curve, and the weights of the best epoch."""

    done: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    chosen: int = 0  # the best epoch

    def note(
        self, epoch: int, model: nn.Module, loss: float | None, judged: tuple[float, float] | None, seconds: float
    ) -> None:
        """Adds an epoch to the learning curve, and keeps its weights if it is the best so far.

        `loss` is the training loss (None before the first epoch), `judged` the validation loss and accuracy (None without
        validation examples). The best epoch has the highest validation accuracy, then the lowest validation loss; without
        validation examples it is the last.
        """
        found = {"validation loss": judged and judged[0], "validation accuracy": judged and judged[1]}
        self.curve.append({"epoch": epoch, "loss": loss} | found | {"seconds": seconds})
        self.done = epoch
        if judged is None or not self.best or self._rank(epoch) > self._rank(self.chosen):
            self.chosen = epoch
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}

    def _rank(self, epoch: int) -> tuple[float, float]:
        row = next(row for row in self.curve if row["epoch"] == epoch)
        return row["validation accuracy"], -row["validation loss"]


class CheckpointFile:
    """The file of a fine-tuning's state, beside the weights `out`; `setting` is all that could change them, on a `device`."""

    def __init__(self, out: Path, setting: dict[str, Any], device: torch.device, seconds: float = SECONDS) -> None:
        self.kept, self.device = ResumableFile(out, KIND, setting, seconds), device

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.kept.path

    def __call__(self, progress: TrainingProgress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Saves the state at the end of an epoch, if the last save is long ago."""
        if not self.kept.due:
            return
        arrays = {f"network/{name}": array for name, array in state_dict.arrays(model).items()}
        arrays |= {f"best/{name}": tensor.numpy() for name, tensor in progress.best.items()}
        for place, known in optimizer.state_dict()["state"].items():
            held = {name: value for name, value in known.items() if isinstance(value, Tensor)}
            arrays |= {f"optimizer/{place}/{name}": value.cpu().numpy() for name, value in held.items()}
        self.kept.save(arrays, {"done": progress.done, "curve": progress.curve, "chosen": progress.chosen})

    def found(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> TrainingProgress:
        """Restores the state that a run with the same setting saved into the network and its optimiser; returns its progress.

        If there is none, the network and the optimiser stay as they are, and the progress is at its start.
        """
        file = self.kept.found()
        if file is None:
            return TrainingProgress()
        checked_facts(file, {"done": int, "curve": [{"epoch": int}], "chosen": int})
        with built_of(file.path):
            return self._restored(file, model, optimizer)

    def _restored(self, file: RunFile, model: nn.Module, optimizer: torch.optim.Optimizer) -> TrainingProgress:
        named = by_first_part(file.arrays, ("network", "best", "optimizer"))
        parts = {part: {name: torch.tensor(array) for name, array in of.items()} for part, of in named.items()}
        for part in ("best", "network"):
            state_dict.fill(model, named[part], str(file.path))
        parameters = list(model.parameters())
        held: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            place, _, key = name.partition("/")
            if tensor.ndim and tensor.shape != parameters[int(place)].shape:
                raise ValueError(f"{key} of parameter {place} is {tuple(tensor.shape)}")
            held.setdefault(int(place), {})[key] = tensor
        optimizer.load_state_dict(optimizer.state_dict() | {"state": held})
        return TrainingProgress(file.facts["done"], file.facts["curve"], parts["best"], file.facts["chosen"])
