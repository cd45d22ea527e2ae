"""prune(): a smaller network made of a case by removing its least important maps step by step, as a Pruned."""

import dataclasses
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.surgery import Pruned as CutNetwork
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.without_gates import without_gates
from pruning_oracle.bench.pruning_settings import Target
from pruning_oracle.bench.repair.names import EXAMPLES
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.resumable import SECONDS
from pruning_oracle.bench.runs.shapes import built_of
from pruning_oracle.criteria.criterion import Criterion
from pruning_oracle.interface import figures, result
from pruning_oracle.interface.into_files import outcome_of, prune_into
from pruning_oracle.pruning import export
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.pruning.cutting.network_facts import checked_network
from pruning_oracle.pruning.cutting.repaired import repaired_file
from pruning_oracle.reports.inputs.shapes import PRUNING


class StoppedEarlyWarning(UserWarning):
    """A pruning run ended before its target; the last good network is kept."""


@dataclass(frozen=True, repr=False)
class Pruned:
    """A pruned case: the network that is left, and every step on the way there.

    `whole` is the case that was pruned; `file` holds the network's tensors and, as `facts`, the settings and the steps.
    """

    whole: Case
    file: RunFile

    @cached_property
    def _cut(self) -> CutNetwork:
        with built_of(self.file.path):
            whole = network_file.of_whole(self.whole, self.file.arrays)
            return network_file.rebuild(whole, self.file.facts, self.file.arrays, str(self.file.path))

    @property
    def case(self) -> Case:
        """The case with the smaller network, to `measure`, `score` or `prune` again."""
        return self._cut.case

    @cached_property
    def model(self) -> nn.Module:
        """The smaller network without gates, in eval mode on the CPU; it takes what the whole one took."""
        return without_gates(self.case.model)

    @property
    def maps(self) -> dict[str, list[int]]:
        """The maps that are left of each site, by the numbers that they had in the whole network."""
        return {name: list(maps) for name, maps in self.file.facts["maps"].items()}

    def repaired(self, repair: str, *, examples: int = EXAMPLES) -> "Pruned":
        """This network after a repair without learning, with the test loss before and after it in `repairs`.

        Args:
            repair: `bias`: the means of the removed maps go into the biases of the layers that read them, which is possible
                only where nothing was learnt since; `batchnorm`: running statistics are estimated again; or `both`.
            examples: how many training examples give means and statistics; none of those that ranking draws.

        Returns:
            The repaired network; this one is not changed.

        Raises:
            BadInput: the network lacks the layers, or the case the examples.
        """
        return dataclasses.replace(self, file=repaired_file(self._cut, self.whole, self.file, repair, examples))

    @property
    def repairs(self) -> pd.DataFrame:
        """A row per repair after pruning, in order: its name, its examples, and the test loss (nats) before and after it."""
        return pd.DataFrame(self.file.facts.get("repairs", []), columns=["repair", "examples", "loss_before", "loss_after"])

    def frame(self) -> pd.DataFrame:
        """A row per step: maps, FLOPs (of one example) and parameters left, updates so far, test loss (nats) and accuracy."""
        rows = pd.DataFrame(self.file.facts["rows"])
        named = [name for name in STEPS if name in rows]
        return rows[named].astype({"test_accuracy": float})

    def plot(self) -> Figure:
        """A figure: test accuracy (or loss) against the share of maps and of FLOPs left."""
        return figures.steps(self.frame(), result.measured_on(self.file.facts))

    def export(self, path: str | Path) -> Path:
        """Writes the smaller network as ONNX, for any number of examples; onnxruntime must give torch's outputs.

        BadInput if packages are missing (`pip install 'pruning-oracle[onnx]'`) or outputs differ; then nothing is written.
        """
        export.export(self.case, Path(path))
        return Path(path)

    def save(self, path: str | Path) -> Path:
        """Writes the network to a file, which `read` takes together with the case; BadInput if something else lies there."""
        return result.copied(self.file, network_file.KIND, path)

    def lines(self) -> list[str]:
        """What is to be known of the network, in sentences."""
        why = [self.file.facts["why"]] if self.file.facts["why"] else []
        mended = [
            f"{row.repair} on {row.examples} other examples: test loss {row.loss_before:.4f} → {row.loss_after:.4f}"
            for row in self.repairs.itertuples()
        ]
        return [outcome_of(self.file.facts), *why, *mended, result.measured_on(self.file.facts)]

    def __repr__(self) -> str:
        return f"Pruned({'; '.join(self.lines())})"

    def _repr_html_(self) -> str:
        return result.as_html(
            f"Pruned by {self.file.facts['settings']['criterion']}", self.lines(), self.frame().tail(result.SHOWN)
        )


STEPS = ("maps", "flops", "parameters", "updates", "test_loss", "test_accuracy")


def prune(
    case: Case,
    criterion: str | Path | Criterion = "taylor",
    *,
    target: str | Target | None = None,
    remove: int | None = None,
    updates: int | None = None,
    final_updates: int | None = None,
    scaling: str | None = None,
    flops_lambda: float | None = None,
    rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    batch: int | None = None,
    examples: int | None = None,
    tested: int | None = None,
    again: int | None = None,
    repair: str | None = None,
    repair_examples: int | None = None,
    keep: float = SECONDS,
    device: str = "auto",
    precision: str = "float32",
    path: str | Path | None = None,
) -> Pruned:
    """Prunes a case: ranks its maps, deletes the least important, fine-tunes, and so on to a target. The case is not changed.

    What is None is the case's own setting, or follows from its size.

    Args:
        case: what `case` or `load` returned.
        criterion: a name, a `.py` file with one criterion, a function marked `@criterion`, or `oracle_abs` or `oracle_loss`.
        target: when to stop: `"maps=0.3"`, `"flops=0.1"`, `"parameters=0.2"` of the whole, or `"accuracy=-0.025"`.
        remove: maps at a time.
        updates: of learning between two removals.
        final_updates: of learning at the end.
        scaling: of scores within each site: `none`, `l1`, `l2` or `rank`.
        flops_lambda: what a map's score loses per MFLOP.
        rate: learning rate of SGD.
        momentum: of SGD.
        weight_decay: of SGD.
        batch: examples per update.
        examples: rank by passes of their own over so many examples (default: by the updates).
        tested: test examples that judge every step (default: all).
        again: measure an oracle anew every so many removals.
        repair: what is mended after every removal, before any learning: `none`, `bias` (the removed maps' means go into the
            biases of the layers that read them), `batchnorm` (running statistics are estimated again) or `both`.
        repair_examples: training examples for that (default 256), which then neither rank nor are learnt from.
        keep: seconds of work, and a step, after which the state is saved, where a path is given.
        device: `auto`, `cpu`, or what torch calls it.
        precision: `float32`, `float64` or `tf32`.
        path: a `.network` file for the result; a run that was interrupted goes on when it is given again.

    Returns:
        The smaller network and the steps to it.

    Raises:
        BadInput: names what is wrong, before anything is pruned.

    Warns:
        StoppedEarlyWarning: the target was not reached; what is returned is the last good network.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> small = po.prune(case, target="maps=0.9", remove=30, updates=1, final_updates=0, tested=50, device="cpu")
        >>> int(small.frame().maps.iloc[0]), sum(map(len, small.maps.values()))
        (528, 476)
    """
    given: dict[str, Any] = {
        "target": target,
        "remove": remove,
        "updates": updates,
        "final_updates": final_updates,
        "scaling": scaling,
    }
    given |= {"flops_lambda": flops_lambda, "rate": rate, "momentum": momentum, "weight_decay": weight_decay}
    given |= {"batch": batch, "examples": examples, "tested": tested, "again": again}
    given |= {"repair": repair, "repair_examples": repair_examples}
    with result.place(path, f"pruned{SUFFIX}") as out:
        if out.suffix != SUFFIX:
            raise BadInput(f"path is {str(path)!r}; the file of a pruned network ends in {SUFFIX}")
        how: dict[str, Any] = {"device": device, "precision": precision, "keep": keep}
        finished = prune_into(lambda: case, out.parent, out.stem, criterion, given, **how)
        if finished.facts["why"]:
            warnings.warn(finished.facts["why"], StoppedEarlyWarning, stacklevel=2)
        return read_pruned(out, case)


SUFFIX = ".network"


def read_pruned(path: Path, whole: Case) -> Pruned:
    """The pruned network in a file, made of the case `whole`; BadInput if it is of another case."""
    file = result.checked(checked_network(runs.load(path, network_file.KIND)), PRUNING)
    if file.facts["case"] != whole.name:
        raise BadInput(f"{path} is of case {file.facts['case']!r}, but the case given is {whole.name!r}")
    pruned = Pruned(whole, file)
    _ = pruned.case  # built and kept now, so that what is wrong with the file is said here
    return pruned
