"""The record of retrained subsets: its rows are whole, the page's table is of them, and a subset is retrained again alike."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.docs.build.survival import recorded, survival_predictors
from pruning_oracle.pruning.loop.state import start
from pruning_oracle.pruning.survival import Repairs, subsets, survive
from pruning_oracle.reports.sections.section import number


def test_rows_are_as_many_as_the_facts_say():
    _, rows, facts = recorded()
    assert {of["case"] for of in facts} == {"cnn3-cifar10", "resnet20-cifar10", "r3dcnn-gestures"}
    for of in facts:
        own = rows[(rows.case == of["case"]) & (rows.seed == of["seed"])]
        assert own.groupby(["chosen by", "share"]).size().tolist() == [of["each"]] * 4 * len(of["shares"])


@pytest.mark.parametrize("outcome", ["accuracy", "test_loss"])
def test_the_table_holds_kendalls_of_the_rows(outcome):
    rows = recorded()[1]
    lines = survival_predictors(outcome).splitlines()
    names = [cell.strip(" `") for cell in lines[0].split("|")[2:-1]]
    assert names == sorted(set(rows.case))
    for title, predictor in {"loss as it is": "loss", "sum of taylor": "sum of taylor"}.items():
        cells = next(line for line in lines if line.startswith(f"| {title} ")).split("|")[2:-1]
        for case, cell in zip(names, cells, strict=True):
            groups = rows[rows.case == case].groupby(["seed", "share"])
            tau = np.nanmean([kendalltau(part[predictor], part[outcome]).statistic for _, part in groups])
            assert cell.strip().startswith(f"{number(tau)} [")


@pytest.mark.slow
def test_a_subset_is_retrained_again_alike():
    _, rows, facts = recorded()
    of = next(of for of in facts if of["case"] == "r3dcnn-gestures")
    settings, case = PruningSettings(**of["settings"] | {"target": PruningSettings().target}), load("r3dcnn-gestures", 0)
    state = start(case.to("cpu", "float32"))
    first = next(subsets(state.pruned, of["each"], settings.batch, 0, of["shares"]))
    found = first.facts | survive(state.pruned.case, settings, state, first.gone, Repairs.of(state.pruned))
    kept = rows[rows.case == "r3dcnn-gestures"].iloc[0]
    for name, value in found.items():
        assert value == (kept[name] if isinstance(value, str) else pytest.approx(kept[name], rel=0.02)), name
