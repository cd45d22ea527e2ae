"""Every stage in every precision: each command ends well, its file holds numbers, and bfloat16 scores maps as float32 does."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from commands import command
from scipy.stats import spearmanr
from torch import nn
from torch.utils.data import TensorDataset
from toys import toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.device import PRECISIONS
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.load import load
from pruning_oracle.criteria.criterion import choose_criteria, needs_of
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.evidence.statistics import SHARED_PASS

SMALL = """
import torch
from torch import nn
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case
from torch.utils.data import TensorDataset

@case
def small(seed):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4), nn.ReLU()]
    data = TensorDataset(torch.randn(90, 1, 6, 6), torch.arange(90) % 3)
    return assemble(nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3)).eval(), data, data, examples=44)
"""
HERE = [name for name in PRECISIONS if name != "tf32" or torch.cuda.is_available()]
ORACLES = {"exact": [], "literal": ["--engine", "literal"], "estimated": ["--budget", "0.2"]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small.py").write_text(SMALL)
    return tmp_path


def finite(path, kind):
    """The arrays of a run file, all of them finite."""
    file = runs.load(path, kind)
    assert all(np.isfinite(array).all() for array in file.arrays.values())
    return file


@pytest.mark.parametrize("precision", HERE)
def test_oracles_criteria_and_their_grades(folder, precision):
    own, wanted = folder / "runs/small/0", "float64" if precision == "float64" else "float32"
    options = ["small.py", "--precision", precision, "--batch", "9"]
    done = command("criteria", *options, folder=folder)
    assert done.returncode == 0, done.stderr
    guesses = finite(own / "criteria.safetensors", "criteria")
    assert len(guesses.facts["criteria"]) >= len(choose_criteria([])) - 1  # captum may have no rule for a layer
    assert {array.dtype for name, array in guesses.arrays.items() if name.startswith("shared/taylor/")} == {np.dtype(wanted)}
    for how in ORACLES.values():
        for words in (["oracle", *options, *how], ["reports", "grade", "small"]):
            done = command(*words, folder=folder)
            assert done.returncode == 0, done.stderr
        assert finite(own / "oracle.safetensors", "oracle").arrays["change/0"].dtype == wanted
        grades = pd.read_csv(own / "agreement.csv")
        scored = grades.query("criterion == 'taylor_second_signed' and examples == 'shared' and scope == 'all sites'")
        assert (scored.query("scaling == 'none'").spearman > 0.3).all()


@pytest.mark.parametrize("precision", HERE)
def test_the_trial_of_estimated_oracles(folder, precision):
    words = ["small.py", "--precision", precision, "--repeats", "1", "--coverage", "2", "--turns", "1", "--out", "trial.json"]
    done = command("trial", *words, folder=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "trial.json").read_text())["precision"] == precision


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_pruning_learns_in_two_of_them_and_refuses_the_third(folder, precision):
    words = ["small.py", "--precision", precision, "--target", "maps=0.7", "--remove", "2", "--updates", "2"]
    done = command("pruning", *words, "--final-updates", "0", "--examples", "9", folder=folder)
    if precision != "bfloat16":
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 2
    assert "unknown precision 'bfloat16': choose from float32, float64, tf32" in done.stderr


@pytest.mark.parametrize("stage", ["oracle", "criteria", "trial", "pruning"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has tf32")
def test_tf32_is_refused_by_all_where_no_gpu_has_it(folder, stage):
    done = command(stage, "small.py", "--precision", "tf32", folder=folder)
    assert done.returncode == 2
    assert "precision 'tf32' is an NVIDIA GPU's" in done.stderr


# the mean difference, of a score's mean magnitude at its site, and the Spearman there; a sum whose terms cancel knows no bound
FAR, ALIKE = 0.25, 0.8
CANCEL = {"distiller_gradient"}


def test_bfloat16_scores_maps_as_float32_does():
    """Statistics are added up in float32, so that what is left is the rounding of the network itself, an 8-bit mantissa."""
    case, chosen = load("resnet-digits", 0), choose_criteria([])
    seen = {name: collect(case.to("cpu", name), range(12), 12, needs_of(chosen), "test") for name in ("float32", "bfloat16")}
    for criterion in chosen:
        for site in case.sites:
            exact, coarse = (criterion.reduce(criterion(seen[name][site.name])).numpy() for name in seen)
            assert coarse.dtype in (np.float32, np.float64)
            far = np.abs(coarse - exact).mean() / np.abs(exact).mean()
            assert far < FAR or criterion.name in CANCEL, (criterion.name, site.name, far)
            if np.ptp(exact) > 0:
                assert spearmanr(exact, coarse).statistic > ALIKE, (criterion.name, site.name)


def test_evidence_of_bfloat16_is_float32_at_least():
    case = toy_case("plain", precision="bfloat16")
    every = SHARED_PASS | frozenset(sources())
    seen = collect(case, range(12), 5, every - frozenset(unavailable(case, every)), "test")
    for evidence in seen.values():
        kept = {"weights": evidence.weights, "positions": evidence.positions, **evidence.statistics}
        assert {name for name, values in kept.items() if values.dtype not in {torch.float32, torch.float64}} == set()


def test_statistics_of_bfloat16_activations_are_not_rounded_again():
    """257 positions of 1 + 2⁻⁷: in bfloat16 neither their number nor their sum nor their square exists."""
    value, model = 1 + 2**-7, nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(257, 1))
    nn.init.ones_(model[0].weight)
    data = TensorDataset(torch.full((8, 1, 1, 257), value), torch.arange(8) % 2)
    case = assemble(model.eval(), data, data, examples=3, loss=lambda output, labels: output[:, 0]).to("cpu", "bfloat16")
    seen = collect(case, range(3), 2, frozenset({"mean", "mean_square"}), "test")["0"]
    assert seen.positions.tolist() == [257]
    torch.testing.assert_close(seen.mean, torch.full((3, 1), value), rtol=1e-6, atol=0)
    torch.testing.assert_close(seen.mean_square, torch.full((3, 1), value**2), rtol=1e-6, atol=0)
