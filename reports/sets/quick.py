"""The quick study of sets: a quarter of each site, by every chooser, on few examples; `compare` shows it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs.shapes import checked_facts
from pruning_oracle.reports.inputs.read import Run, fill_of
from pruning_oracle.reports.inputs.shapes import SETS, check_joint
from pruning_oracle.reports.inputs.site_names import shown_names
from pruning_oracle.reports.sets.chosen import WITHIN, ChosenSet, chosen_sets
from pruning_oracle.reports.sets.regret import regret_table

SHARE = 0.25  # of each site
EXAMPLES = 128  # at most
FILE = "quick-sets.safetensors"


@dataclass(frozen=True)
class QuickSets:
    """The sets that the choosers of a run remove, and their joint losses `[example, set]` in nats, on examples nobody saw."""

    chosen: list[ChosenSet]
    joint: np.ndarray
    rows: np.ndarray
    seed: int

    @property
    def table(self) -> pd.DataFrame:
        """A row per chooser, as `regret_table` gives it, with the seed."""
        return regret_table(self.chosen, self.joint, self.seed).assign(seed=self.seed)


def quick_sets(run: Run, names: list[str] | None = None) -> list[ChosenSet]:
    """The sets of the study; `names` are those of the sites in the sets (default: as in the run)."""
    return [one for one in chosen_sets(run, names, [SHARE]) if one.scope == WITHIN]


def read_quick(run: Run, folder: Path) -> QuickSets | None:
    """The study of a run, if its folder holds one of the very sets that the run's choosers remove, with its fill; else None."""
    if not (folder / FILE).is_file():
        return None
    file = check_joint(checked_facts(runs.load(folder / FILE, "sets"), SETS))
    names = shown_names(site["name"] for site in file.facts["sites"])
    measured = [{names.get(site, site): maps for site, maps in one.items()} for one in file.facts["sets"]]
    checked_facts(run.oracle, {"sites": [{"mflops": float}]})
    chosen = quick_sets(run)
    alike = file.facts["weights"] == run.oracle.facts["weights"] and fill_of(file)["name"] == fill_of(run.oracle)["name"]
    if not alike or measured != [one.maps for one in chosen]:
        return None
    return QuickSets(chosen, file.arrays["joint"].astype(np.float64), file.arrays["rows"], run.seed)
