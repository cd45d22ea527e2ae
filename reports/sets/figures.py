"""The figures of criteria that are held against one another: what may foretell, and what came of removing and pruning."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.scores import SCALINGS, Scores
from pruning_oracle.reports.agreement.correlation import mean_over_sites, spearman
from pruning_oracle.reports.agreement.noise_ceiling import ALL, MEAN
from pruning_oracle.reports.inputs.read import Run, read_shown_run
from pruning_oracle.reports.inputs.tables import read_csv
from pruning_oracle.reports.sets.chosen import TRUTHS, scores_of
from pruning_oracle.reports.sets.pruned import pruned_by
from pruning_oracle.reports.sets.table import kind_of, read_written

OWN = 0.25  # the share at which joint losses are predictors, too


@dataclass(frozen=True)
class SeedsFigures:
    """What there is of every criterion at one seed: rows are criteria, and higher is better in every column.

    `alone` and `pruned` may have fewer rows: the criteria by which maps of one site alone were removed, and those by which
    the network was pruned and fine-tuned.
    """

    predictors: pd.DataFrame
    costs: pd.DataFrame
    alone: pd.DataFrame
    pruned: pd.DataFrame


def figures_of(run: Run, lds: pd.DataFrame, sets: pd.DataFrame, alone: pd.DataFrame, pruned: pd.DataFrame) -> SeedsFigures:
    """The figures of a run, of its tables of datamodeling scores and of chosen sets, of single sites and of pruning runs."""
    names = list(run.criteria.facts["criteria"])
    mended = sets.repair if "repair" in sets else pd.Series("none", sets.index)
    keys = zip(sets.share, sets.scope, sets.scaling, mended, strict=True)
    costs = sets.assign(kind=[f"joint loss, {kind_of(*key)}{_after(repair)}" for *key, repair in keys])
    own = costs[(costs.share == OWN) & (mended == "none")].kind.unique()
    wide = -costs.pivot(index="chooser", columns="kind", values="joint_loss").reindex(names)[list(dict.fromkeys(costs.kind))]
    scored = lds.assign(kind=[_scaled(f"LDS, {share:.0%}", how) for share, how in zip(lds.share, lds.scaling, strict=True)])
    scores = scored.pivot(index="chooser", columns="kind", values="lds").reindex(names)[list(dict.fromkeys(scored.kind))]
    predictors = pd.concat([agreements(run), scores, wide[own]], axis=1)
    return SeedsFigures(predictors, wide, *(frame.loc[frame.index.intersection(names)] for frame in (alone, pruned)))


def read_figures(case: str, seeds: Sequence[int], root: Path) -> list[SeedsFigures]:
    """The figures of a case at some seeds, from the files under `root`, the folder of all run files.

    BadInput, which names the command that makes it, if a file is missing. Single sites and pruning runs may be missing.
    """
    found = []
    for seed in seeds:
        folder = runs.folder(case, seed, root)
        lds = read_written(folder / "reference-sets.csv", f"reference-sets {case} --seed {seed}")
        sets = read_written(folder / "sets.csv", f"chosen-sets {case} --seed {seed}")
        run = read_shown_run(case, seed, root)
        found.append(figures_of(run, lds, sets, alone_at(folder / "layer-sensitivity.csv"), pruned_by(case, seed, root)))
    return found


def alone_at(path: Path) -> pd.DataFrame:
    """Minus the joint loss of shares of one site, a mean over sites: a row per chooser; no rows if it was not measured.

    Sites that are too small for a share have no part in it.
    """
    if not path.is_file():
        return pd.DataFrame()
    table = read_csv(path)
    table["kind"] = [f"joint loss, {share:.0%} of one site" for share in table.share]
    return -table.pivot_table(index="chooser", columns="kind", values="joint_loss")


def agreements(run: Run) -> pd.DataFrame:
    """Spearman of every criterion's score on fresh examples with each reduction of the oracle, within and over sites."""
    scores = scores_of(run)
    return pd.DataFrame(
        {
            _scaled(f"agreement with {target}, {scope}", scaling): {
                name: _agreement(scores[name], scores[target], scope, scaling) for name in run.criteria.facts["criteria"]
            }
            for target in TRUTHS
            for scope, scaling in ((MEAN, "none"), (ALL, "none"), (ALL, "l2"))
        }
    )


def _agreement(score: Scores, truth: Scores, scope: str, scaling: str) -> float:
    if scope == MEAN:
        return float(mean_over_sites([spearman(own, true) for own, true in zip(score, truth, strict=True)]))
    return float(spearman(np.concatenate(SCALINGS[scaling](score)), np.concatenate(truth)))


def _after(repair: str) -> str:
    return "" if repair == "none" else f", after {repair}"


def _scaled(text: str, scaling: str) -> str:
    return text if scaling == "none" else f"{text}, {scaling}"
