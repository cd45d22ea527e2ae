"""On a device of its own, every criterion and every source of evidence gives what it gives on the CPU."""

import pytest
import torch
from toys import TOYS, toy_case

from pruning_oracle.criteria.criterion import choose_criteria, needs_of
from pruning_oracle.criteria.evidence.collect import collect, unavailable


@pytest.mark.parametrize("name", TOYS)
def test_every_criterion_gives_the_cpus_scores(name):
    here = toy_case(name)
    there = here.to("standin", "float64")
    chosen = choose_criteria(["all"])
    missing = unavailable(here, needs_of(chosen))
    fit = [criterion for criterion in chosen if not criterion.needs & missing.keys()]
    assert len(fit) > 30
    close = 1e-9 if name == "clips" else 0  # torch adds the biases of a GRU's cell in another order on every device but the CPU
    needs = needs_of(fit)
    expected, found = (collect(case, range(10), 4, needs, "shared") for case in (here, there))
    for criterion in fit:
        for site in expected:
            one, other = criterion(expected[site]), criterion(found[site])
            torch.testing.assert_close(
                other.cpu(),
                one,
                rtol=close,
                atol=close,
                equal_nan=True,
                msg=lambda text, name=criterion.name: f"{name}: {text}",
            )
