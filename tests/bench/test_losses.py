"""Losses, labels and outputs of every kind: what is taken, what is refused before anything is measured, what is undefined."""

import math

import numpy as np
import pytest
import torch
from losses import KINDS, case_of_kind
from torch import nn
from torch.nn import functional as F

from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import count_right, evaluate
from pruning_oracle.bench.labels import Ragged, collate, taken
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.losses import cross_entropy
from pruning_oracle.bench.scores import shown
from pruning_oracle.bench.setting import fingerprint
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure

CLASSES = ("classes", "bytes", "tokens")  # the kinds with a class per example and a score per class


class Small(nn.Module):
    """A convolution, ReLU, pooling, and a linear layer to three numbers."""

    def __init__(self):
        super().__init__()
        self.conv, self.read = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, images):
        return self.read(torch.relu(self.conv(images)).mean((2, 3)))


def small_case(label=lambda row: row % 3, **options):
    torch.manual_seed(0)
    data = [(torch.randn(1, 5, 5), label(row)) for row in range(8)]
    return assemble(Small().eval(), data, data, examples=4, **options)


def each(output, labels):
    return F.cross_entropy(output, labels, reduction="none")


REFUSED = {
    "one number": (
        F.cross_entropy,
        r"the loss is \(\); it must give one number per example",
    ),
    "one column": (lambda output, labels: each(output, labels)[:, None], r"the loss is \(2, 1\); it must give one number"),
    "no tensor": (
        lambda output, labels: each(output, labels).tolist(),
        "the loss is list; it must give one number per example",
    ),
    "of half precision": (lambda output, labels: each(output, labels).half(), "of type torch.float16; its numbers must be"),
    "whole": (
        lambda output, labels: (output.argmax(1) != labels).long(),
        "of type torch.int64; its numbers must be torch.float32",
    ),
    "not finite": (lambda output, labels: each(output, labels) * math.nan, "the loss is nan on training example 0"),
    "raises": (
        lambda output, labels: output["scores"],
        r"the loss fails on an output torch.float32 of shape \(2, 3\) and labels",
    ),
    "divided by the batch's sum": (lambda output, labels: each(output, labels) / each(output, labels).sum(), "other examples"),
    "divided by the batch's size": (
        lambda output, labels: each(output, labels) / len(output),
        "it must not depend on the other",
    ),
    "compared within the batch": (lambda output, labels: each(output.softmax(0), labels), "it must not depend on the other"),
    "drawn": (lambda output, labels: each(output, labels) * torch.rand(len(output)), "it must not depend on the other"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_loss_that_is_not_one_number_of_each_example_alone_is_refused_at_once(kind):
    loss, message = REFUSED[kind]
    with pytest.raises(BadInput, match=message):
        small_case(loss=loss)


LABELS = {
    "a string": (lambda row: "cat", "a label holds 'cat' of type str; allowed is a number, a tensor, or dicts"),
    "nothing": (lambda row: None, "a label holds None of type NoneType; allowed is a number"),
    "a string inside": (lambda row: {"class": 0, "name": "cat"}, "a label holds 'cat' of type str"),
    "several layouts": (
        lambda row: [1] * (row + 1),
        r"one layout, but these differ: \[1\] of type list and \[1, 1\] of type list",
    ),
    "a fraction": (lambda row: 0.5, "takes one whole number per example as its label, but gets torch.float32 of shape"),
    "several": (
        lambda row: torch.zeros(3),
        r"one whole number per example as its label, but gets torch.float32 of shape \(2, 3\)",
    ),
    "a class too many": (lambda row: 3, "label 3 is out of range: the model has 3 classes, so labels are 0 to 2"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_that_no_loss_can_take_are_refused_at_once(kind):
    label, message = LABELS[kind]
    with pytest.raises(BadInput, match=message):
        small_case(label)


def test_inputs_of_several_shapes_are_refused():
    data = [(torch.randn(1, 5, 5 + (row > 3)), 0) for row in range(8)]
    case = assemble(Small().eval(), data, data, examples=4)
    with pytest.raises(BadInput, match=r"must have one shape, but these differ: \(1, 5, 5\), \(1, 5, 6\)"):
        list(case.batches(data, range(8), 8))


def test_labels_are_joined_moved_and_taken_as_they_are_laid_out():
    examples = [
        (torch.zeros(1), {"class": row, "box": [torch.ones(2) * row, 0.5 * row], "steps": torch.arange(row)})
        for row in range(3)
    ]
    inputs, labels = collate(examples)
    assert inputs.shape == (3, 1)
    assert labels["class"].tolist() == [0, 1, 2]
    assert labels["box"][0].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert [one.tolist() for one in labels["steps"]] == [[], [0], [0, 1]]
    again = taken(labels, torch.tensor([2, 0, 2]))
    assert again["class"].tolist() == [2, 0, 2]
    assert again["box"][1].tolist() == [1.0, 0.0, 1.0]
    assert isinstance(again["steps"], Ragged)
    assert [len(one) for one in again["steps"]] == [2, 0, 2]


@pytest.mark.parametrize(
    ("precision", "exact"), [("float32", torch.float32), ("float64", torch.float64), ("bfloat16", torch.float32)]
)
def test_floating_labels_have_the_type_of_the_loss_and_whole_ones_keep_theirs(precision, exact):
    case = case_of_kind("dictionaries").to("cpu", precision)
    labels = next(case.batches(case.train, range(3), 3)).labels
    assert labels["class"].dtype == torch.int64
    assert {part.dtype for part in labels["more"]} == {exact}
    assert case.losses(next(case.batches(case.train, range(3), 3))).shape == (3,)


def test_the_default_loss_checks_the_labels_of_a_batch_once(monkeypatch):
    case, checked = small_case(), []
    monkeypatch.setattr(torch.Tensor, "__getitem__", counting(torch.Tensor.__getitem__, checked))
    measure(case, lambda site, batch: literal(case, site, batch), range(4), 2)
    assert len(checked) == 2, "two batches, however many removals"
    with pytest.raises(BadInput, match="label 5 is out of range"):
        cross_entropy(torch.zeros(2, 4), torch.tensor([1, 5]))


def counting(get, seen):
    def counted(tensor, index):
        if isinstance(index, torch.Tensor) and index.dtype == torch.bool and tensor.dtype == torch.int64:
            seen.append(index)
        return get(tensor, index)

    return counted


def test_an_accuracy_has_a_meaning_for_class_scores_alone():
    scores, labels = torch.tensor([[0.0, 2.0], [3.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 1, 1])
    assert count_right(scores, labels) == 2
    for output, of in [
        (scores, labels.float()),
        (scores, torch.stack([labels, labels], 1)),
        (scores, {"class": labels}),
        (scores, torch.tensor([1, 2, 1])),  # no class of theirs
        (scores[:, :1], torch.zeros(3, dtype=torch.long)),  # one column is right whatever it holds
        (scores[:, 0], labels),
        (scores[..., None], labels),
        ((scores, scores), labels),
    ]:
        assert math.isnan(count_right(output, of))
    assert [shown(math.nan, ".1%"), shown(0.5, ".1%")] == ["undefined", "50.0%"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in CLASSES])
def test_the_accuracy_of_other_kinds_is_undefined(kind):
    case = case_of_kind(kind)
    loss, accuracy = evaluate(case, case.test, range(len(case.test)), 5)
    assert math.isnan(accuracy)
    whole = next(case.batches(case.test, range(len(case.test)), len(case.test)))
    with torch.no_grad():
        assert loss == pytest.approx(case.losses(whole).double().mean().item(), rel=1e-5)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_accuracy_of_classes_is_their_share(kind):
    case = case_of_kind(kind)
    whole = next(case.batches(case.test, range(24), 24))
    with torch.no_grad():
        right = (case.model(whole.inputs).argmax(1) == whole.labels).double().mean().item()
    assert evaluate(case, case.test, range(24), 5)[1] == right


@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_of_every_kind_is_deletion(kind):
    """A map is deleted where it is read: the weights that read it are set to 0 in the network as the user made it."""
    case, model = case_of_kind(kind, untouched=True)
    exact = {"rtol": 1e-9, "atol": 1e-11}
    if kind == "bytes":  # this network makes float32 numbers of them, whatever its precision
        exact = {"rtol": 1e-4, "atol": 1e-6}
    else:
        case, model = case.to("cpu", "float64"), model.double()
    rows = case.split()[0]
    batch = next(case.batches(case.train, rows, len(rows)))
    oracle = measure(case, Replay(case), rows, 3)
    kept = case.loss(model(batch.inputs), batch.labels).detach()
    readers = {"a": model.b, "b": model.head}
    largest = 0.0
    for site in case.sites:
        for index in range(site.maps):
            weight = readers[site.name].weight
            before = weight.detach().clone()
            with torch.no_grad():
                weight[:, index] = 0
                change = case.loss(model(batch.inputs), batch.labels) - kept
                weight.copy_(before)
            torch.testing.assert_close(oracle.changes[site.name][:, index], change, **exact)
            largest = max(largest, float(change.abs().max()))
    assert largest > 1e-3
    assert (oracle.labels is not None) == (kind in {*CLASSES, "one column"})


def test_a_fingerprint_sees_every_part_of_a_label_and_its_place():
    def of(**label):
        data = [(torch.zeros(2), label)]
        assert isinstance(data, Examples)
        return fingerprint(data, [0])

    labels = [{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "c": 2}, {"a": torch.tensor([1, 2])}, {"a": [1, 2]}]
    assert len({of(**label) for label in labels}) == len(labels)
    assert of(a=1, b=torch.ones(2)) == of(a=1, b=torch.ones(2))


def test_a_fingerprint_of_plain_labels_is_as_it_always_was():
    """SHA-256 of type, shape and bytes of the input and then of the label: run files store it."""
    import hashlib  # noqa: PLC0415

    image, label = torch.arange(3.0), torch.tensor(4)
    sha = hashlib.sha256(b"<f4 (3,) " + image.numpy().tobytes() + b"<i8 () " + label.numpy().tobytes())
    assert fingerprint([(image, label)], [0]) == sha.hexdigest() == fingerprint([(image, np.int64(4))], [0])
