"""What `better_sets` measures, each into a resumable file of its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.network.memory import bytes_of
from pruning_oracle.bench.setting import Finished, Resources
from pruning_oracle.criteria.interactions import run_curvature
from pruning_oracle.interface.guesses import Guesses
from pruning_oracle.interface.into_files import joint_loss_into
from pruning_oracle.interface.joint import KIND, JointLosses
from pruning_oracle.interface.truth import Truth
from pruning_oracle.oracle.sets.run_greedy import run_greedy
from pruning_oracle.reports.sets import better, shapley
from pruning_oracle.reports.sets.chosen import ChosenSet, share_of_flops
from pruning_oracle.reports.sets.reductions import PAPER, judges


@dataclass
class Study:
    """One case's oracle and guesses, and the files in `folder` of what is measured beside them.

    `examples` is how many of the oracle's own examples are measured anew; `seconds` is what that took.
    """

    case: Case
    truth: Truth
    guesses: Guesses
    folder: Path
    examples: int
    computing: Mapping[str, Any]
    seconds: float = field(default=0.0, init=False)

    @property
    def sizes(self) -> dict[str, int]:
        """The number of maps of each site."""
        return {site.name: site.maps for site in self.case.sites}

    @property
    def own(self) -> list[int]:
        """Which of the oracle's examples are measured anew, as places among them; drawn by the run's seed."""
        count = len(self.truth.file.arrays["rows"])
        random = np.random.default_rng([self.truth.file.facts["seed"], 13])
        return sorted(random.permutation(count)[: self.examples].tolist())

    @property
    def rows(self) -> list[int]:
        """The rows of the training set of these examples."""
        return self.truth.file.arrays["rows"][self.own].tolist()

    def by_site(self, scores: np.ndarray) -> list[np.ndarray]:
        """The scores of all maps, one array per site."""
        return np.split(scores, np.cumsum(list(self.sizes.values()))[:-1])

    def reductions(self, shares: Sequence[float]) -> list[ChosenSet]:
        """The sets that the oracle's own matrix chooses in every reduction that `chosen_sets` has not."""
        changes = [self.truth.file.arrays[f"change/{site}"].astype(np.float64) for site in self.sizes]
        scores = judges(changes, self.truth.file.arrays.get("labels"), self.own)
        sites, names = list(self.sizes), [name for name in scores if name not in PAPER]
        return [one for name in names for one in better.by_scores(name, scores[name], sites, shares)]

    def greedy(self, shares: Sequence[float], step: float) -> list[ChosenSet]:
        """The sets of greedy removals."""
        done = run_greedy(self.case, self.folder / "greedy.safetensors", shares, step, self._choice(self.rows), self._resources)
        return better.by_greed(self._added(done).facts["sets"])

    def pairs(self, shares: Sequence[float]) -> list[ChosenSet]:
        """The sets that single changes on the oracle's examples and curvature on the fresh ones make the cheapest.

        Single changes are means, or means of magnitudes: the loss along a long way is not what its start foretells, and a map
        that moves many examples is the less sure the more it moves them.
        """
        changes = [self.truth.file.arrays[f"change/{site}"].astype(np.float64) for site in self.sizes]
        singles = {"pairs": [own.mean(0) for own in changes], "pairs_mean_abs": [np.abs(own).mean(0) for own in changes]}
        guess, sites = self.curvature(), list(self.sizes)
        return [one for name, own in singles.items() for one in better.by_pairs(name, own, guess, sites, shares)]

    def curvature(self) -> np.ndarray:
        """The second derivatives of the loss by the gates of every two maps, `[map, map]`, on the first fresh examples."""
        rows = self.guesses.file.arrays["fresh/rows"][: self.examples].tolist()
        done = run_curvature(self.case, self.folder / "curvature.safetensors", self._choice(rows), self._resources)
        self._added(done)
        return runs.load(done.out, "curvature").arrays["curvature"]

    def steps(self, orders: int, share: float) -> np.ndarray:
        """What every map changes in random orders: see `shapley.marginals`."""
        chosen = shapley.walks(self.sizes, orders, share, self.truth.file.facts["seed"])
        joint = self.joint("shapley.safetensors", shapley.prefixes(chosen), self.rows)
        return shapley.marginals(joint, chosen, self.sizes)

    def joint(self, name: str, sets: Sequence[Mapping[str, Sequence[int]]], rows: Sequence[int]) -> np.ndarray:
        """The joint losses of sets on these rows, `[example, set]` in nats, measured into a file of that name."""
        done = joint_loss_into(self.case, self.folder / name, sets, rows=rows, **self.computing)
        self._added(done)
        return runs.load(done.out, KIND).arrays["joint"].astype(np.float64)

    def table(self, chosen: Sequence[ChosenSet], losses: JointLosses, found: Sequence[ChosenSet], share: float) -> pd.DataFrame:
        """The table of all sets; those at `share` are taken apart by site."""
        every = [*chosen, *map(self._priced, found)]
        known = dict(zip(losses.sets, losses.joint.T, strict=True))
        of_chosen = np.stack([known[MapSet.of(one.maps)] for one in chosen], 1)
        best = better.best_criteria(chosen, of_chosen, self.guesses.file.facts["criteria"])
        singles = [{site: [index]} for site, maps in self.sizes.items() for index in range(maps) if maps > 1]
        apart = {place: better.parts(every[place]) for place in better.taken_apart(every, best, share)}
        new = [one.maps for one in found] + singles + [part for own in apart.values() for part in own]
        measured = self.joint("better-sets.safetensors", new, losses.rows.tolist())
        known |= dict(zip(map(MapSet.of, new), measured.T, strict=True))
        joint = np.stack([known[MapSet.of(one.maps)] for one in every], 1)
        places = [place for place, one in enumerate(every) if place >= len(chosen) or one.chooser in PAPER]
        places = sorted({*places, *best.values()})
        own = self.joint("better-sets-own.safetensors", [every[place].maps for place in places], self.rows).mean(0)
        costs = {name: np.full(len(every), np.nan) for name in ("own", "within_sites", "across_sites")}
        costs["own"][places] = own
        costs["singles"] = np.array([_sum(known, better.single_maps(one)) for one in every])
        for place, of in apart.items():
            alone = _sum(known, of)
            costs["within_sites"][place] = alone - costs["singles"][place]
            costs["across_sites"][place] = joint[:, place].mean() - alone
        return better.better_table(every, joint, best, costs, self.truth.file.facts["seed"])

    def _priced(self, one: ChosenSet) -> ChosenSet:
        """A set with the share of the FLOPs that its maps take."""
        mflops = [site["mflops"] for site in self.truth.file.facts["sites"]]
        maps = [one.maps.get(site, []) for site in self.sizes]
        return replace(one, flops=share_of_flops(maps, mflops, list(self.sizes.values())))

    def _choice(self, rows: Sequence[int]) -> ExampleChoice:
        return ExampleChoice(rows=tuple(rows))

    @property
    def _resources(self) -> Resources:
        return Resources(**dict(self.computing) | {"memory": bytes_of(self.computing.get("memory"))})

    def _added(self, done: Finished) -> Finished:
        self.seconds += done.facts["seconds"]
        return done


def _sum(known: Mapping[MapSet, np.ndarray], sets: Iterable[Mapping[str, Sequence[int]]]) -> float:
    """The sum of the mean joint losses of sets."""
    return float(sum(known[MapSet.of(one)].mean() for one in sets))
