"""Networks that no oracle can be measured on are refused before anything is measured, with the true reason."""

import copy
import warnings

import pytest
import torch
from networks import removed
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import Gate, gated


class Small(nn.Module):
    """A convolution, a gate that it carries, `between` them and a linear layer."""

    def __init__(self, between=None):
        super().__init__()
        self.conv, self.gate, self.read = nn.Conv2d(3, 6, 3), Gate(6), nn.Linear(6, 4)
        self.between = between or nn.Identity()

    def forward(self, images):
        return self.read(F.relu(self.gate(self.between(self.conv(images)))).mean((2, 3)))


class Does(nn.Module):
    """A layer that does what a function does."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, maps):
        return self.function(maps)


SITE = Site("conv", 6, ("conv",), ("gate",), (tuple(range(6)),))


def assembled(model, images=None, **options):
    torch.manual_seed(1)
    images = torch.randn(12, 3, 6, 6) if images is None else images
    data = TensorDataset(images, torch.randint(0, 4, (len(images),)))
    return assemble(model.eval(), data, data, examples=6, **options)


COUPLED = {
    "batch norm": (nn.BatchNorm2d(6, track_running_stats=False), r"between \(BatchNorm2d without running statistics\)"),
    "mean over the batch": (Does(lambda maps: maps - maps.mean(0)), "in mean"),
    "softmax over the batch": (Does(lambda maps: maps.softmax(0)), "in softmax"),
    "largest of the batch": (Does(lambda maps: maps / maps.abs().max()), "in max"),
    "a number from the batch": (Does(lambda maps: maps * maps.std().item()), "in (std|item)"),
    "the neighbour": (Does(lambda maps: maps + maps.flip(0)), "in (add|flip)"),
}


@pytest.mark.parametrize("carried", [(), (SITE,)], ids=["found", "carried"])
@pytest.mark.parametrize("kind", COUPLED)
def test_examples_that_depend_on_one_another(kind, carried):
    between, place = COUPLED[kind]
    with pytest.raises(BadInput, match=f"Small couples the examples of a batch.*{place}.*changes with the others beside it"):
        assembled(Small(between), carried=carried)


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, maps):
        self.calls += 1
        return maps + self.calls


@pytest.mark.parametrize("between", [Does(F.dropout), Does(lambda maps: maps + torch.randn_like(maps)), Counting()])
def test_outputs_that_change_from_run_to_run(between):
    with pytest.raises(BadInput, match="Small gives other outputs when it is run again on the same inputs: it draws random"):
        assembled(Small(between))


class StepsFirst(Small):
    """Outputs `[step, example, class]`, as CTC takes them, and a penalty that is one number."""

    def forward(self, images):
        maps = F.relu(self.gate(self.conv(images)))
        return self.read(maps.mean(2).permute(2, 0, 1)), maps.square().mean()


def test_examples_along_another_axis_and_a_penalty_are_no_coupling():
    case = assembled(StepsFirst(), carried=(SITE,), loss=lambda output, labels: output[0].mean((0, 2)))
    assert [site.name for site in case.sites] == ["conv"]


class OneEach(Small):
    """A list of one output per example, as detectors give it."""

    def forward(self, images):
        return [{"scores": scores[scores > scores.mean()]} for scores in super().forward(images)]


def test_one_output_per_example_is_no_coupling():
    case = assembled(OneEach(), carried=(SITE,), loss=lambda output, _: torch.stack([one["scores"].sum() for one in output]))
    assert [site.name for site in case.sites] == ["conv"]


def test_only_real_numbers_that_are_there():
    lazy, meta, complex_, sparse = Small(nn.LazyConv2d(6, 1)), Small().to("meta"), Small(), Small()
    complex_.scale = nn.Parameter(torch.ones(1, dtype=torch.complex64))
    sparse.register_buffer("table", torch.eye(3).to_sparse())
    nan = Small()
    nn.init.constant_(nan.conv.bias, float("nan"))
    reasons = [
        (lazy, r"between.weight has no shape yet: run the model once"),
        (meta, r"conv.weight is on the meta device and has no numbers: load its weights"),
        (complex_, r"scale is complex: only real networks"),
        (sparse, r"table is stored as torch.sparse_coo: make it dense"),
        (nan, r"conv.bias holds numbers that are not finite"),
    ]
    for model, reason in reasons:
        with pytest.raises(BadInput, match=f"the model's {reason}"):
            assembled(model)


def test_wrapped_and_compiled_networks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit warns that it is old
        scripted = torch.jit.trace(nn.Conv2d(3, 6, 3).eval(), torch.randn(1, 3, 6, 6))
    with pytest.raises(BadInput, match=r"the model itself is a DataParallel: give the network inside, its \.module"):
        assembled(nn.DataParallel(Small()))
    with pytest.raises(BadInput, match="the model itself is compiled by TorchScript"):
        assembled(scripted)
    inside = Small()
    inside.conv = scripted
    with pytest.raises(BadInput, match="conv is compiled by TorchScript"):
        assembled(inside)


def test_two_inputs_are_counted():
    class Pair(Small):
        def forward(self, images, others):
            return super().forward(images + others)

    with pytest.raises(BadInput, match=r"the forward pass of Pair needs 2 inputs \(images, others\); an example has one"):
        assembled(Pair())


class OddError(Exception):
    """An exception without a text, of a type that nobody expects."""


@pytest.mark.parametrize(
    "error", [OddError(), KeyError("width"), AssertionError(), ZeroDivisionError("by zero"), RuntimeError()]
)
def test_whatever_a_forward_pass_raises_is_one_sentence(error):
    def fail(_):
        raise error

    with pytest.raises(BadInput, match=r"Small fails on its own data, torch.float32 of \(2, 3, 6, 6\): \S") as caught:
        assembled(Small(Does(fail)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_in_another_precision_become_float32(precision):
    """By hand: the numbers of half precision are numbers of float32, too."""
    torch.manual_seed(0)
    model = Small().to(precision)
    same = copy.deepcopy(model).float().eval()
    images = torch.randn(12, 3, 6, 6)
    case = assembled(model, images.to(precision))
    assert next(model.parameters()).dtype is precision
    images = images.to(precision).float()
    smaller = copy.deepcopy(same)
    with torch.no_grad():
        smaller.read.weight[:, 2] = 0
        torch.testing.assert_close(case.model(images), same(images))
        torch.testing.assert_close(removed(case.model, case.sites[0], 2, images), smaller(images))


def test_computed_weights_of_a_network_that_carries_its_gates():
    model = Small()
    model.conv = nn.utils.parametrizations.weight_norm(model.conv)
    case = assembled(model, carried=(SITE,))
    images = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(case.model(images), model(images))
    assert "weight" in case.model.conv._parameters


def test_weights_that_depend_on_the_data_are_refused():
    """A hook that computes a weight, but another one when it sees data."""
    model = Small()
    model.conv.register_parameter("weight_orig", model.conv._parameters.pop("weight"))
    model.conv.weight = model.conv.weight_orig.data

    def compute(module, args):
        module.weight = module.weight_orig.data * (args[0].shape[2] if args else 1)

    model.conv.register_forward_pre_hook(compute)
    with pytest.raises(BadInput, match=r"a copy of Small gives other outputs: a hook .* computes a weight from the data"):
        assembled(model)


def test_a_hook_that_holds_on_to_the_network_itself_is_refused():
    class Captured(Small):
        def __init__(self):
            super().__init__()
            self.seen = {"conv": torch.zeros(1, 6, 1, 1)}
            self.conv.register_forward_hook(lambda module, args, output: self.seen.update(conv=output))

        def forward(self, images):
            self.conv(images)
            return self.read(F.relu(self.seen["conv"]).mean((2, 3)))

    with pytest.raises(BadInput, match="a copy of Captured gives other outputs: a hook holds on to the network itself"):
        assembled(Captured())


class Tokens(nn.Module):
    """Words and their places, embedded, behind a convolution."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(20, 8), nn.Embedding(9, 8)
        self.conv, self.read = nn.Conv1d(8, 6, 3), nn.Linear(6, 4)

    def forward(self, words):
        steps = self.words(words) + self.places(torch.arange(words.shape[1], device=words.device))
        return self.read(F.relu(self.conv(steps.mT)).amax(2))


class Bytes(Small):
    def forward(self, images):
        return super().forward(images / 255)


@pytest.mark.parametrize(("kind", "shape", "dtype"), [(Tokens, (9,), torch.int64), (Bytes, (3, 6, 6), torch.uint8)])
@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_whole_numbers_as_inputs(kind, shape, dtype, precision):
    torch.manual_seed(0)
    model, inputs = kind().eval(), torch.randint(20, (12, *shape), dtype=dtype)
    case = assembled(model, inputs).to("cpu", precision)
    (site,) = case.sites
    smaller = copy.deepcopy(model)
    batch = next(case.batches(case.train, range(12), 12))
    assert batch.inputs.dtype is dtype
    with torch.no_grad():
        smaller.read.weight[:, 1] = 0
        value = torch.ones(12, 6, dtype=next(case.model.parameters()).dtype)
        value[:, 1] = 0
        with gated(case.model, {site: value}):
            found = case.losses(batch).float()
        expected = F.cross_entropy(smaller(inputs), batch.labels, reduction="none")
    torch.testing.assert_close(found, expected, **({"rtol": 0.05, "atol": 0.05} if precision == "bfloat16" else {}))
