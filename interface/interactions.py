"""interactions(): what pairs of maps cost together beyond what each costs alone, as Interactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.map_set import random_sets
from pruning_oracle.bench.runs.bounds import COUNT, EXAMPLES, SHARE, TWO_OR_MORE
from pruning_oracle.interface import figures, result
from pruning_oracle.interface.better_study import Study
from pruning_oracle.interface.guesses import Guesses
from pruning_oracle.interface.truth import Truth
from pruning_oracle.oracle.sets.pairs import draw_pairs, predicted_interactions
from pruning_oracle.reports.sets.interactions import Pairs, adding_table, grades, interaction_table, site_means
from pruning_oracle.reports.sets.table import unseen

RANDOM = (0.05, 0.1, 0.2)  # shares of the maps that random sets hold
BLOCK = 64  # examples of a pass that predicts interactions
MOST = 4096  # maps: every two of them are looked at


@dataclass(frozen=True)
class Interactions:
    """Measured interactions: `table`, a row per pair, `adding`, a row per share of random sets, and `grades` of curvature.

    `reports/sets/interactions.py` says what is in them; `seconds` is what measuring took, now or before.
    """

    table: pd.DataFrame
    adding: pd.DataFrame
    grades: pd.DataFrame
    sites: Sequence[str]
    caption: str
    seconds: float

    def plot(self) -> Figure:
        """Heat maps, site by site: the mean magnitude of interactions, and their mean."""
        grids = [site_means(self.table, self.sites, magnitude) for magnitude in (True, False)]
        return figures.interactions(*grids, self.caption)


def interactions(
    case: Case,
    truth: Truth,
    guesses: Guesses,
    *,
    examples: int | None = None,
    pairs: int = 500,
    sets: int = 30,
    shares: Sequence[float] = RANDOM,
    curved: int = 64,
    folder: str | Path | None = None,
    **computing: Any,
) -> Interactions:
    """Measures interactions of pairs of maps, within sites and across them, and what of random sets' joint loss they explain.

    Pairs are drawn with known probabilities, the likely large ones for sure, by a backward pass over the oracle's examples.
    They, every map alone, and random sets are removed on examples that neither the oracle nor a criterion saw.

    Args:
        case: what `case` or `load` returned.
        truth: what `measure` returned.
        guesses: what `score` returned; curvature, the guess of interactions, is taken on its fresh examples.
        examples: how many unseen ones (default: as many as the oracle has, or all that are left).
        pairs: about how many are drawn.
        sets: random ones for each share.
        shares: of the maps that these hold.
        curved: examples for predicting and for curvature.
        folder: for the files of what is measured; work that was interrupted goes on when it is given again.
        computing: `batch`, `memory`, `device` and `precision`, as `joint_loss` takes them.

    Returns:
        The tables, in nats, and a picture of them.

    Raises:
        BadInput: a number is out of bounds, or the network has no two maps that can go together, or more than 4,096.

    Examples:
        >>> import torch, pruning_oracle as po
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 2))
        >>> data = torch.randn(30, 1, 4, 4), torch.arange(30) % 2
        >>> case = po.case(model.eval(), data, data)
        >>> truth, guesses = po.measure(case, rows=range(8)), po.score(case, "taylor", rows=range(8), fresh=8)
        >>> found = po.interactions(case, truth, guesses, examples=6, pairs=10, curved=4)
        >>> bool((found.table.low <= found.table.interaction).all())
        True
    """
    for check, name, value in ((COUNT, "--pairs", pairs), (TWO_OR_MORE, "--random", sets), (EXAMPLES, "--curved", curved)):
        check.check(name, value)
    for share in shares:
        SHARE.check("--shares", share)
    if (maps := sum(site.maps for site in case.sites)) > MOST:
        raise BadInput(f"{case.name} has {maps:,} maps; interactions are measured of networks of at most {MOST:,}")
    seed = truth.file.facts["seed"]
    rows = unseen(case.name, len(case.train), truth.file, guesses.file, examples)
    chances = {share: random_sets(case, sets, share, seed) for share in shares}
    with result.place(None if folder is None else Path(folder) / "interactions", "interactions") as place:
        study = Study(case, truth, guesses, place.parent, curved, computing)
        owners = [(site.name, index) for site in case.sites for index in range(site.maps)]
        sites = np.repeat(np.arange(len(case.sites)), [site.maps for site in case.sites])
        drawn = draw_pairs(sites, predicted_interactions(case, study.rows, BLOCK), pairs, seed)
        alone = [{site: [index]} if study.sizes[site] > 1 else {} for site, index in owners]
        two = [_both(owners[i], owners[j]) for i, j in zip(drawn.first, drawn.second, strict=True)]
        random = [one.named for some in chances.values() for one in some]
        joint = study.joint("interactions.safetensors", [*alone, *two, *random], rows)
        singles, both, of_random = np.split(joint, [len(alone), len(alone) + len(two)], axis=1)
        named = [(*owners[i], *owners[j]) for i, j in zip(drawn.first, drawn.second, strict=True)]
        found = Pairs(named, drawn.probability, both - singles[:, drawn.first] - singles[:, drawn.second])
        guess = study.curvature()[drawn.first, drawn.second]
        losses = dict(zip(shares, np.split(of_random, len(shares), axis=1), strict=True))
        adding = adding_table(losses, singles, found, {share: len(chances[share][0]) for share in shares}, seed)
        caption = f"{case.name} seed {seed}: {len(two)} pairs on {len(rows)} examples that neither oracle nor criteria saw"
        table = interaction_table(found, guess, seed)
        return Interactions(table, adding, grades(found, guess, seed), list(study.sizes), caption, study.seconds)


def _both(one: tuple[str, int], other: tuple[str, int]) -> dict[str, list[int]]:
    """The set of two maps."""
    return {one[0]: [one[1], other[1]]} if one[0] == other[0] else {one[0]: [one[1]], other[0]: [other[1]]}
