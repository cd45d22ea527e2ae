"""Which criteria cannot be told apart from the best."""

import numpy as np
from written_runs import write_run

from pruning_oracle.reports.agreement.paired import paired
from pruning_oracle.reports.inputs.read import read_run

MAPS = {"one": 12, "two": 20}


def noisy(by, stream, examples=200):
    """Saliencies that are the truth of `write_run` plus noise, by site."""
    random = np.random.default_rng(stream)
    return {name: 10 * np.arange(1, maps + 1) + by * random.normal(size=(examples, maps)) for name, maps in MAPS.items()}


def table(tmp_path, seeds=(0,), best="best"):
    scores = {
        "best": ("mean", noisy(60, 1)),
        "twin": ("mean", noisy(60, 2)),
        "worse": ("mean", noisy(900, 3)),
        "constant": ("mean", {name: np.ones((1, maps)) for name, maps in MAPS.items()}),
    }
    for seed in seeds:
        write_run(tmp_path, seed=seed, sites=MAPS, scores=scores, noise=40)
    return paired([read_run("toy", seed, tmp_path) for seed in seeds]).behind(best).set_index("criterion")


def test_a_twin_is_tied_and_a_worse_one_is_not(tmp_path):
    found = table(tmp_path)
    assert found.tied.to_dict() == {"best": True, "twin": True, "worse": False, "constant": False}
    assert found.behind["best"] == 0
    assert found.low["worse"] > 0
    assert np.isnan(found.behind["constant"])
    np.testing.assert_allclose(found.behind, (found.low + found.high) / 2, atol=1e-12)
    assert table(tmp_path, best="twin").tied.to_dict()["best"]  # whichever of the two is ahead on these examples


def test_more_seeds_narrow_the_interval(tmp_path):
    width = [(of.high - of.low)["worse"] for of in (table(tmp_path / "one"), table(tmp_path / "three", (0, 1, 2)))]
    assert width[1] < 0.8 * width[0]
