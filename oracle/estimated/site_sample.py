"""The pairs of one site in an estimated oracle: which are known, how they came to be known, and what each round said."""

from dataclasses import dataclass, field

import numpy as np

from pruning_oracle.oracle.estimated.draw import SURE, probabilities, systematic
from pruning_oracle.oracle.estimated.predict import Prediction


@dataclass(frozen=True)
class Round:
    """What one round said of every map of a site."""

    weight: float  # among the rounds: how many pairs were planned in all, which nothing that it found has a part in
    total: np.ndarray  # an unbiased estimate of the sum over examples
    spread: np.ndarray  # Σ (1 − p) size²/p: the variance of that, where remainder ÷ size has a variance of 1


@dataclass
class SiteSample:
    """Pairs of one site; every array is `[example, map]`."""

    control: Prediction
    known: np.ndarray  # those that are known to change nothing, at first
    change: np.ndarray = field(init=False)  # 0 where it is not known
    drawn: np.ndarray = field(init=False)  # measured by chance, not for certain
    measured: np.ndarray = field(init=False)
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = self.known.copy()
        self.change = np.zeros(self.known.shape)
        self.drawn, self.measured = np.zeros_like(self.known), np.zeros_like(self.known)

    @property
    def unknown(self) -> np.ndarray:
        """The sizes of pairs that are not known; 0 for the others."""
        return np.where(self.known, 0.0, self.control.size)

    @property
    def ratio(self) -> np.ndarray:
        """Remainder ÷ size of the pairs that were drawn by chance; 0 for the others."""
        return np.divide(
            self.change - self.control.predicted, self.control.size, out=np.zeros(self.known.shape), where=self.drawn
        )

    def choose(self, count: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A round's pairs, so many of every map, and the probability that each had."""
        chance = probabilities(self.unknown, count)
        return systematic(chance, random) & ~self.known, chance

    def add(self, weight: float, believed: np.ndarray, chosen: np.ndarray, chance: np.ndarray, change: np.ndarray) -> None:
        """What was measured of the chosen pairs, and what was `believed` of all pairs before."""
        remainder = np.where(chosen, change - believed, 0.0)
        total = believed.sum(0) + np.divide(remainder, chance, out=np.zeros(chance.shape), where=chosen).sum(0)
        spread = np.divide((1 - chance) * self.unknown**2, chance, out=np.zeros(chance.shape), where=chance > 0).sum(0)
        self.rounds.append(Round(weight, total, spread))
        self.change = np.where(chosen, change, self.change)
        self.drawn |= chosen & (chance < SURE)
        self.measured |= chosen
        self.known |= chosen
