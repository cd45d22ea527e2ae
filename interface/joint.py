"""joint_loss(): what removing sets of maps costs, as JointLosses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs import load as load_file
from pruning_oracle.interface import result
from pruning_oracle.interface.into_files import joint_loss_into
from pruning_oracle.reports.agreement.resampling import draws
from pruning_oracle.reports.inputs.shapes import SETS, check_joint

KIND = "sets"


@dataclass(frozen=True, repr=False)
class JointLosses:
    """Measured joint losses: the change in loss of every example when the maps of a set are removed together, in nats.

    `file` holds the arrays and, as `facts`, everything about how they came to be.
    """

    file: RunFile

    @property
    def sets(self) -> list[MapSet]:
        """The sets, in the order in which they were given."""
        return [MapSet.of(one) for one in self.file.facts["sets"]]

    @property
    def rows(self) -> np.ndarray:
        """The rows of the training set that were measured, `[example]`."""
        return self.file.arrays["rows"]

    @property
    def joint(self) -> np.ndarray:
        """The joint losses, `[example, set]` in nats: with the maps of the set removed minus with every map kept."""
        return self.file.arrays["joint"].astype(np.float64)

    @property
    def repair(self) -> str:
        """The repair after which losses were taken once more; `none` if there was none."""
        return str(self.file.facts.get("repair", "none"))

    @property
    def repaired(self) -> np.ndarray | None:
        """The joint losses after the repair, `[example, set]` in nats, less the same losses as `joint`; None without one."""
        return self.file.arrays["repaired"].astype(np.float64) if self.repair != "none" else None

    def frame(self) -> pd.DataFrame:
        """A row per set: `set` (its place), `maps` and `sites` (how many it has), `joint_loss` (mean over examples, nats).

        `joint_loss_low` and `joint_loss_high` are a 95 % interval over examples, by bootstrap. Where there was a repair,
        `repaired_loss`, `repaired_loss_low` and `repaired_loss_high` are of the joint losses after it.
        """
        sets, weights = self.sets, draws(len(self.joint), self.file.facts["seed"])
        columns: dict[str, Any] = {"set": range(len(sets)), "maps": map(len, sets), "sites": [len(one.maps) for one in sets]}
        for name, losses in (("joint_loss", self.joint), ("repaired_loss", self.repaired)):
            if losses is not None:
                low, high = np.quantile(weights @ losses, [0.025, 0.975], axis=0)
                columns |= {name: losses.mean(0), f"{name}_low": low, f"{name}_high": high}
        return pd.DataFrame(columns)

    def save(self, path: str | Path) -> Path:
        """Writes the joint losses to a run file, which `read` takes; BadInput if something else lies there."""
        return result.copied(self.file, KIND, path)

    def lines(self) -> list[str]:
        """What is to be known of the numbers, in sentences."""
        facts, means, sizes = self.file.facts, self.joint.mean(0), [len(one) for one in self.sets]
        size = f"{min(sizes)} to {max(sizes)}" if min(sizes) < max(sizes) else str(min(sizes))
        several = f"{len(sizes)} sets of {size} maps on {facts['examples']} training examples"
        costs = f"joint loss {means.min():.4g} to {means.max():.4g}, {means.mean():.4g} nats in the mean over sets"
        return [f"{several}; {costs}{self._mended()}", result.measured_on(facts)]

    def _mended(self) -> str:
        """What the repair gave back, as half a sentence; nothing without one."""
        if self.repaired is None:
            return ""
        back = self.joint.mean(0) - self.repaired.mean(0)
        seen = self.file.facts["repair examples"]
        return (
            f"; {self.repaired.mean():.4g} after the repair {self.repair} from {seen} other examples,"
            f" smaller in {(back > 0).sum()} of {len(back)} sets"
        )

    def __repr__(self) -> str:
        return f"JointLosses({'; '.join(self.lines())})"

    def _repr_html_(self) -> str:
        return result.as_html("Joint losses: change in loss when sets of maps are removed, in nats", self.lines(), self.frame())


def joint_loss(
    case: Case,
    sets: Iterable[Mapping[str, Iterable[int]] | MapSet] | str | Path,
    *,
    examples: int | None = None,
    rows: Sequence[int] | str | None = None,
    sample_seed: int | None = None,
    engine: str = "replay",
    repair: str = "none",
    repair_examples: int | None = None,
    batch: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    precision: str = "float32",
    path: str | Path | None = None,
) -> JointLosses:
    """Measures what removing sets of maps really costs: for each, the maps are removed together and the loss is taken again.

    Args:
        case: what `case` or `load` returned.
        sets: for each set the maps that are removed, by site, such as `[{"features.0": [1, 5], "features.3": [0]}]`; what
            `random_sets` returned; or a JSON file with such a list. An empty set changes nothing.
        examples: how many training examples, at least 3 (default: the case's number).
        rows: which training examples instead, such as `range(100)` or `"0:100,200"`.
        sample_seed: what the examples are drawn from (default: the case's seed).
        engine: `replay`, or `literal`, the slow definition.
        repair: after which the loss is taken once more: `bias`, `batchnorm`, `both` or `none`
            (see [repairs](../explanation/repairs.md)).
        repair_examples: how many other training examples it sees (default 256).
        batch: examples per pass (default: what half of the memory holds, at most 128).
        memory: what activations may take, in bytes or as `"4GiB"` (default 4 GiB; on a GPU half of its memory).
        device: `auto`, `cpu`, or what torch calls it.
        precision: `float32`, `float64`, `tf32` or `bfloat16`.
        path: a file for the result. Work that was interrupted goes on when it is given again, and what is up to date is read.

    Returns:
        The joint losses, in the order of the sets.

    Raises:
        BadInput: names what is wrong, before anything is measured: a set that names an unknown site or map, repeats a map, or
            leaves a site without maps; or a repair that the network lacks the layers for.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> found = po.joint_loss(case, po.random_sets(case, 4, share=0.1), examples=8, device="cpu")
        >>> found.joint.shape
        (8, 4)
    """
    given: dict[str, Any] = {"examples": examples, "rows": rows, "sample_seed": sample_seed, "engine": engine}
    given |= {"repair": repair, "repair_examples": repair_examples}
    given |= {"batch": batch, "memory": memory, "device": device, "precision": precision}
    with result.place(path, "sets.safetensors") as out:
        joint_loss_into(case, out, sets, **given)
        return read_joint(load_file(out, KIND))


def read_joint(file: RunFile) -> JointLosses:
    """The joint losses that a run file holds; BadInput if it is damaged."""
    return JointLosses(check_joint(result.checked(file, SETS)))
