"""A criterion that does not fit a case is unavailable with its reason; the others run, and the command ends well."""

import dataclasses

import pytest
import torch
from commands import command
from losses import KINDS, case_of_kind, users_file
from networks import Carried
from torch import nn
from toys import toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.setting import fingerprint
from pruning_oracle.criteria.criterion import choose_criteria, needs_of
from pruning_oracle.criteria.evidence.collect import collect, unavailable

NO_CLASSES = "one whole number per example, and these are "
REASONS = {
    "several labels": {"labels": NO_CLASSES + "torch.float32 of shape (1, 7)", "gate_relevance": "its label no class"},
    "dense": {"labels": NO_CLASSES + "torch.int64 of shape (1, 4, 4)", "gate_relevance": "its label no class"},
    "a tuple of outputs": {
        "labels": NO_CLASSES + "(torch",
        "gate_curvature": "a tuple",
        "gate_relevance": "no score per class",
    },
    "dictionaries": {"labels": NO_CLASSES + "{'class'", "gate_curvature": "a dict", "gate_relevance": "no score per class"},
    "several targets": {"labels": NO_CLASSES, "gate_relevance": "no score per class"},
    "floats of Python": {"labels": NO_CLASSES, "gate_relevance": "no score per class"},
    "one column": {"gate_relevance": "no score per class"},
    "one number": {"labels": NO_CLASSES, "gate_relevance": "no score per class"},
    "padded sequences": {
        "labels": NO_CLASSES,
        "gate_curvature": "the network gives",
        "gate_hessian": "derivative for aten::_ctc_loss_backward is not implemented",
        "gate_relevance": "no score per class",
    },
    "classes": {},
}
REASONS["ragged sequences"] = REASONS["padded sequences"]
for reasons_of_kind in REASONS.values():
    if reasons_of_kind:
        reasons_of_kind.update(sampled_grad="no score per class", output_fisher="no score per class")
ALWAYS = {"norm_scale", "torch_pruning_bn_scale_importance"}  # these networks have no batch norm


@pytest.mark.parametrize("kind", REASONS)
def test_what_a_kind_of_loss_lacks_is_said_and_everything_else_is_gathered(kind):
    case = case_of_kind(kind)
    chosen = choose_criteria([])
    reasons = {name: reason for name, reason in unavailable(case, needs_of(chosen)).items() if name not in ALWAYS}
    assert reasons.keys() == REASONS[kind].keys()
    for name, reason in reasons.items():
        assert REASONS[kind][name] in reason
    fitting = [one for one in chosen if not one.needs & (reasons.keys() | ALWAYS)]
    evidence = collect(case, range(5), 2, needs_of(fitting), "test")
    for one in fitting:
        for seen in evidence.values():
            assert bool(one(seen).isfinite().all())
    assert len(fitting) >= 39


@pytest.mark.parametrize("kind", ["several labels", "dense", "several targets", "one number", "floats of Python"])
def test_curvature_and_conductance_with_labels_of_every_kind(kind, monkeypatch):
    """The curvature of the last convolution's gates is the second derivative; conductance adds up to the change from 0."""
    monkeypatch.setattr("pruning_oracle.criteria.sources.attribution.STEPS", 300)
    case = case_of_kind(kind).to("cpu", "float64")
    seen = collect(case, range(3), 2, frozenset({"gate_curvature", "gate_conductance"}), "test")
    site, largest = case.site("b"), 0.0
    for row in range(3):
        batch = next(case.batches(case.train, [row], 1))

        def loss(gates, batch=batch):
            with gated(case.model, {site: gates[None]}):
                return case.losses(batch)[0]

        expected = torch.autograd.functional.hessian(loss, torch.ones(site.maps, dtype=torch.float64)).diagonal()
        torch.testing.assert_close(seen["b"].gate_curvature[row], expected, rtol=1e-7, atol=1e-9)
        largest = max(largest, float(expected.max()))
        with torch.no_grad():
            change = case.losses(batch) - case.loss(case.model(torch.zeros_like(batch.inputs)), batch.labels)
        torch.testing.assert_close(seen["b"].gate_conductance[row].sum(), change[0], rtol=2e-2, atol=1e-2)
    assert largest > 1e-4


MISTAKES = """
from pruning_oracle.criteria.criterion import criterion, mean

@criterion(needs={"mean"}, reduce=mean, unit="none", source="a test")
def broken(site):
    \"\"\"Raises.\"\"\"
    return 1 / 0
"""


def test_a_criterion_that_is_asked_for_by_name_or_file_must_work(tmp_path):
    (tmp_path / "mine.py").write_text(users_file("padded sequences"))
    (tmp_path / "broken.py").write_text(MISTAKES)
    for asked, message in {
        "broken.py": f"a case on which it does not fail: {tmp_path}/broken.py, line 7: ZeroDivisionError: division by zero",
        "brain_damage": "criterion 'brain_damage' is unavailable here, since it needs gate_hessian: RuntimeError",
        "mutual_information": "since it needs labels: one whole number per example, and these are (torch.int64",
    }.items():
        named = command("criteria", "mine.py", "--criteria", "taylor", asked, folder=tmp_path)
        assert named.returncode == 2
        assert message in named.stderr
        assert not (tmp_path / "runs/mine/0/criteria.safetensors").exists()


def test_criteria_that_fail_are_listed_and_the_others_stored(tmp_path):
    (tmp_path / "mine.py").write_text(users_file("padded sequences"))
    done = command("criteria", "mine.py", "--criteria", "quick", folder=tmp_path)
    assert done.returncode == 0
    file = runs.load(tmp_path / "runs/mine/0/criteria.safetensors", "criteria")
    reason = file.facts["left_out_criteria"]["mutual_information"]
    assert f"left out: mutual_information, which needs {reason}" in done.stdout
    assert {"taylor", "weight_l2"} <= set(file.facts["criteria"]) == {name.split("/")[1] for name in file.arrays} - {"rows"}
    assert "is up to date" in command("criteria", "mine.py", "--criteria", "quick", folder=tmp_path).stdout


def test_evidence_that_is_not_finite_takes_only_its_own_criteria_with_it():
    case = toy_case("plain")

    def loss(output, labels):  # the slope of a root at 0 is infinite, and infinity times 0 no number
        return output.square().sum(1) + (output[:, 0] * 0).sqrt()

    case = dataclasses.replace(case, loss=loss)
    needs, failed = frozenset({"mean", "gate_grad"}), dict[str, str]()
    seen = collect(case, range(4), 2, needs, "test", failed)
    assert failed == {"gate_grad": "it is nan for map 0 of site 'features.0', on training example 0"}
    assert {name for site in seen.values() for name in site.statistics} == {"mean"}
    with pytest.raises(BadInput, match=r"evidence 'gate_grad' is unavailable: it is nan for map 0 of site 'features.0'"):
        collect(case, range(4), 2, needs, "test")


class Bytes(Carried):
    def forward(self, images):
        return super().forward(images / 255 - 0.5)


class Tokens(Carried):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(11, 1)

    def forward(self, tokens):
        return super().forward(self.table(tokens).movedim(3, 1))


@pytest.mark.parametrize(("model", "shape", "dtype"), [(Bytes, (1, 4, 4), torch.uint8), (Tokens, (4, 4), torch.int64)])
def test_integer_inputs_reach_the_network_as_they_are(model, shape, dtype):
    torch.manual_seed(0)
    data = [(torch.randint(0, 11, shape, dtype=dtype), row % 2) for row in range(8)]
    site = Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))
    case = assemble(model().eval(), data, data, examples=4, carried=[site])
    assert next(case.batches(data, range(2), 2)).inputs.dtype == dtype
    chosen = choose_criteria([])
    reasons = unavailable(case, needs_of(chosen))
    assert reasons["gate_conductance"] == "its inputs are not numbers that a path can lead to"
    fitting = [one for one in chosen if not one.needs & reasons.keys()]
    evidence = collect(case, range(4), 3, needs_of(fitting), "test")
    assert {one.name for one in fitting} >= {"taylor", "brain_damage", "gauss_newton", "mutual_information", "path"}
    for one in fitting:
        assert bool(one(evidence["conv"]).isfinite().all())
    whole = [(inputs.double(), label) for inputs, label in data]
    assert fingerprint(data, range(8)) != fingerprint(whole, range(8))


def test_every_kind_is_tried():
    assert REASONS.keys() | {"bytes", "tokens"} == KINDS.keys()
