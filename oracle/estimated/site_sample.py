"""The pairs of one site in an estimated oracle: which are known, how they became known, and what each round estimated."""

from dataclasses import dataclass, field

import numpy as np

from pruning_oracle.oracle.estimated.draw import SURE, probabilities, systematic
from pruning_oracle.oracle.estimated.predict import Prediction


@dataclass(frozen=True)
class Round:
    """What one round estimated of every map of a site, `[map]`."""

    weight: float  # in the mean over rounds: how many pairs were planned at all sites, whatever the round measured
    total: np.ndarray  # an unbiased estimate of the sum of the changes over all examples, in nats
    spread: np.ndarray  # Σ (1 − p) size²/p: the variance of `total` if remainder ÷ size has a variance of 1


@dataclass
class SiteSample:
    """The pairs of one site and their changes in nats; every array is `[example, map]`."""

    prediction: Prediction
    known: np.ndarray  # at first the pairs known to change nothing, later also those measured
    change: np.ndarray = field(init=False)  # 0 where unknown
    drawn: np.ndarray = field(init=False)  # measured by chance: drawn with a probability below 1
    measured: np.ndarray = field(init=False)
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = self.known.copy()
        self.change = np.zeros(self.known.shape)
        self.drawn, self.measured = np.zeros_like(self.known), np.zeros_like(self.known)

    @property
    def unknown(self) -> np.ndarray:
        """The sizes of the pairs whose change is unknown; 0 for the others."""
        return np.where(self.known, 0.0, self.prediction.size)

    @property
    def ratio(self) -> np.ndarray:
        """Remainder (change − prediction) ÷ size of the pairs that were drawn by chance; 0 for the others."""
        return np.divide(
            self.change - self.prediction.predicted, self.prediction.size, out=np.zeros(self.known.shape), where=self.drawn
        )

    def choose(self, count: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws `count` pairs of each map, `[map]`; returns which, and the probability of each pair, both `[example, map]`."""
        chance = probabilities(self.unknown, count)
        return systematic(chance, random) & ~self.known, chance

    def add(self, weight: float, believed: np.ndarray, chosen: np.ndarray, chance: np.ndarray, change: np.ndarray) -> None:
        """Adds a round: the `change` measured of the `chosen` pairs, and the probability `chance` that each pair had.

        `believed` is the change predicted for every pair before the round.
        """
        remainder = np.where(chosen, change - believed, 0.0)
        total = believed.sum(0) + np.divide(remainder, chance, out=np.zeros(chance.shape), where=chosen).sum(0)
        spread = np.divide((1 - chance) * self.unknown**2, chance, out=np.zeros(chance.shape), where=chance > 0).sum(0)
        self.rounds.append(Round(weight, total, spread))
        self.change = np.where(chosen, change, self.change)
        self.drawn |= chosen & (chance < SURE)
        self.measured |= chosen
        self.known |= chosen
