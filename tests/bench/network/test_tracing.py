"""A network that torch.fx cannot trace is recorded: equal outputs on any batch, torch's own layers as single operations."""

import copy
import re
import warnings

import pytest
import torch
import torchvision
from networks import removed
from torch import nn
from torch.nn import functional as F
from torch.utils import _pytree as tree
from torch.utils.checkpoint import checkpoint
from toys import TOYS

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import tracing
from pruning_oracle.bench.network.plain_weights import plain_copy
from pruning_oracle.bench.network.sites import find_sites
from pruning_oracle.bench.network.tracing import Tracer, outputs_of, trace

pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # of torch.utils.checkpoint


class Small(nn.Module):
    """A convolution `a`, something between that subclasses add, a convolution `b` and a linear layer."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.b, self.read = nn.Conv2d(6, 5, 3), nn.Linear(5, 4)

    def head(self, maps):
        return self.read(F.relu(self.b(maps)).mean((2, 3)))

    def forward(self, images):
        return self.head(self.between(F.relu(self.a(images)), images))


class ChunkList(Small):
    """A block of YOLO: a list of chunks that grows."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.mix = nn.Conv2d(12, 6, 1)

    def between(self, maps, _):
        parts = list(self.norm(maps).chunk(2, 1))
        parts.extend(block(parts[-1]) for block in self.blocks)
        return self.mix(torch.cat(parts, 1))


class Shaped(Small):
    """Assertions and branches on shapes, and views by whole numbers that were taken from them."""

    def between(self, maps, images):
        assert images.shape[1] == 3
        count, channels, height, width = maps.shape
        if height % 2:
            maps = F.pad(maps, (0, 1, 0, 1))
        return maps.view(int(count), 2, channels // 2, height, width).transpose(1, 2).reshape(-1, channels, height, width)


class TwiceAsMany(Small):
    """Counts that are a multiple of the examples, and a split by them."""

    def between(self, maps, _):
        both = torch.cat([maps, maps.flip(3)])
        assert len(both) == 2 * len(maps)
        first, second = both.split(int(maps.shape[0]))
        return first + 2 * second


class Deformable(Small):
    def __init__(self):
        super().__init__()
        self.offset, self.deform = nn.Conv2d(6, 18, 3, padding=1), torchvision.ops.DeformConv2d(6, 6, 3, padding=1)

    def between(self, maps, _):
        return F.relu(self.deform(maps, self.offset(maps)))


class Autocast(Small):
    def between(self, maps, images):
        with torch.autocast(device_type=images.device.type, dtype=torch.bfloat16):
            maps = torch.tanh(self.norm(maps))
        return maps.float()


class MadeInForward(Small):
    """Zeros as many as examples, a grid, and a constant of the module that is no buffer."""

    def __init__(self):
        super().__init__()
        self.scale = torch.arange(6.0)

    def between(self, maps, images):
        if maps.shape[1] < 9:
            zeros = torch.zeros(len(images), 2, *maps.shape[2:], dtype=torch.float32, device=images.device)
            maps = torch.cat([maps[:, :4], zeros], 1)
        grid = torch.linspace(-1, 1, maps.shape[-1]) * torch.tensor([1.0, 2.0])[1]
        return maps * self.scale.view(1, -1, 1, 1) + grid


class Assigned(Small):
    """A temporal shift: assignments into parts of a tensor, and operations in place on them."""

    def between(self, maps, _):
        shifted = torch.zeros_like(maps)
        shifted[:, :2, 1:] = maps[:, :2, :-1]
        shifted[:, 2:] = maps[:, 2:]
        shifted[:, 0] += 1
        shifted[:, 1, 2:].mul_(2)
        return shifted


class TwoNames(Small):
    """An operation in place on a value that has two names."""

    def between(self, maps, _):
        same = maps
        maps += 1.0
        return maps + same


class Called(Small):
    """A class with a `__call__` of its own."""

    def __call__(self, images):
        return super().__call__(2 * images)

    def between(self, maps, _):
        return maps


def swish(maps):
    return maps * torch.sigmoid(maps)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch.jit.script warns that it is old
    scripted_swish = torch.jit.script(swish)


class Scripted(Small):
    def between(self, maps, _):
        return scripted_swish(self.norm(maps))


class Straight(torch.autograd.Function):
    """Rounds, with the gradient of the identity."""

    @staticmethod
    def forward(context, maps):
        return torch.round(4 * maps) / 4

    @staticmethod
    def backward(context, grad):
        return grad


class OwnFunction(Small):
    def between(self, maps, _):
        return Straight.apply(maps)


class OwnFunctionAndShape(Small):
    def between(self, maps, _):
        return Straight.apply(maps) if maps.shape[1] == 6 else maps


class Checkpointed(Small):
    def between(self, maps, _):
        return checkpoint(lambda part: self.norm(part) if part.shape[1] == 6 else part, maps, use_reentrant=True)


@torch.compile(backend="eager")
def compiled_swish(maps):
    return scripted_swish(maps) if maps.shape[1] == 6 else maps


class Compiled(Small):
    def between(self, maps, _):
        return compiled_swish(self.norm(maps))


class OwnForward(Small):
    """A layer whose `forward` was replaced, and arguments that are a tuple."""

    def __init__(self):
        super().__init__()
        self.norm.forward = lambda maps: 2 * maps

    def forward(self, *images):
        return self.head(self.norm(F.relu(self.a(images[0].requires_grad_()))))


class Several(Small):
    """Outputs in a dictionary, a list and a tuple; further arguments with defaults."""

    def forward(self, images, scale=2.0, mask=None):
        maps = F.relu(self.a(images * scale if images.shape[2] > 3 else images))
        largest, where = maps.max(1, keepdim=True)
        return {"classes": self.head(maps), "more": [maps.mean((2, 3)), (largest, where)]}


class Hooked(Small):
    """Hooks on layers and on the network itself, before and after, with and without keywords."""

    def __init__(self):
        super().__init__()
        for layer in (self.a, self.b):
            layer.register_forward_hook(lambda module, args, output: 2 * output)
        self.b.register_forward_pre_hook(lambda module, args: (args[0] + 0.5,))
        self.norm.register_forward_pre_hook(
            lambda module, args, kwargs: (args, {"input": 3 * kwargs["input"]}), with_kwargs=True
        )
        self.register_forward_hook(lambda module, args, output: output + 1)

    def between(self, maps, _):
        return self.norm(input=maps)


RECORDED = [ChunkList, Shaped, TwiceAsMany, Deformable, Autocast, MadeInForward, Assigned, TwoNames, Called, Scripted]
RECORDED += [OwnFunctionAndShape, Checkpointed, Compiled, OwnForward, Several, Hooked]


def built(kind):
    torch.manual_seed(0)
    model = kind()
    model.norm.running_mean.normal_()
    return model.eval()


@pytest.mark.parametrize("kind", RECORDED)
def test_a_recorded_graph_is_the_network_on_any_batch(kind):
    model, images = built(kind), torch.randn(2, 3, 8, 8)
    graph = trace(plain_copy(model), images)
    for count in (1, 3, 5):
        others = 3 * torch.randn(count, 3, 8, 8)
        ours, theirs = (tree.tree_leaves(outputs_of(network, others)) for network in (graph, model))
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)
    called = {node.target for node in graph.graph.nodes if node.op == "call_module"}
    assert {"a", "b", "read"} <= called <= set(dict(model.named_modules()))
    assert all(Tracer().is_leaf_module(model.get_submodule(name), name) for name in called)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in graph.modules())
    assert graph.a.weight.requires_grad


@pytest.mark.parametrize("kind", [kind for kind in RECORDED if kind is not Deformable])
def test_a_recorded_graph_follows_its_parameters_to_another_precision(kind):
    model, images = built(kind), torch.randn(2, 3, 8, 8)
    graph = trace(plain_copy(model), images)
    expected = tree.tree_leaves(outputs_of(model, images))[0]
    for precision, tolerance in ((torch.float64, 1e-5), (torch.bfloat16, 0.1)):
        moved = copy.deepcopy(graph).to(precision)
        found = tree.tree_leaves(outputs_of(moved, images.to(precision)))[0]
        assert found.dtype is precision
        torch.testing.assert_close(found.float(), expected, rtol=tolerance, atol=tolerance)


def test_bytes_are_taken_to_the_precision_of_the_parameters():
    class Bytes(Small):
        def forward(self, images):
            return self.head(F.relu(self.a(images / 255)))

    model, images = built(Bytes), torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    graph = trace(plain_copy(model), images)
    torch.testing.assert_close(outputs_of(graph, images), outputs_of(model, images))
    assert outputs_of(graph.double(), images).dtype is torch.float64


def test_nans_in_offsets_do_not_crash_a_deformable_convolution():
    model = built(Deformable)
    graph = trace(plain_copy(model), torch.randn(2, 3, 8, 8))
    nn.init.constant_(graph.offset.bias, float("nan"))
    assert outputs_of(graph, torch.randn(2, 3, 8, 8)).isnan().all()
    _, _, left_out = find_sites(model, torch.randn(2, 3, 8, 8))
    reasons = {out.convolution: out.reason for out in left_out}
    assert "deform_conv2d" in reasons["a"]
    assert "deform_conv2d" in reasons["offset"]


@pytest.mark.parametrize("kind", [ChunkList, TwiceAsMany, Autocast, MadeInForward, Assigned, Several])
def test_a_recorded_graph_follows_its_parameters_to_another_device(kind):
    """The meta device stands in for one: an operation on tensors of two devices fails there, too."""
    graph = trace(plain_copy(built(kind)), torch.randn(2, 3, 8, 8)).to("meta")
    assert tree.tree_leaves(outputs_of(graph, torch.randn(5, 3, 8, 8, device="meta")))[0].is_meta


@pytest.mark.parametrize("name", TOYS)
def test_an_ordinary_graph_stays_as_torch_fx_made_it(name):
    build, shape = TOYS[name]
    graph = trace(plain_copy(build().eval()), torch.randn(2, *shape))
    assert "as_parameters" not in graph.code
    assert not graph._buffers


@pytest.mark.parametrize("kind", [OwnFunction, OwnFunctionAndShape])
def test_a_function_with_a_gradient_of_its_own_keeps_it(kind):
    model, images = built(kind), torch.randn(2, 3, 8, 8)
    graph = trace(plain_copy(model), images)
    for network in (model, graph):
        network(images).sum().backward()
    assert model.a.weight.grad.abs().max() > 0
    torch.testing.assert_close(graph.a.weight.grad, model.a.weight.grad)


def test_a_value_that_a_layer_passes_on_keeps_a_name_of_its_own():
    """Dropout does nothing in eval mode; in training only what it gives is dropped."""

    class Dropped(Small):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(1.0)

        def between(self, maps, _):
            maps = torch.cat(list(maps.split(3, 1)), 1)
            return self.drop(maps) + maps

    model, images = built(Dropped), torch.randn(2, 3, 8, 8)
    graph = trace(plain_copy(model), images)
    model.drop.train()
    graph.drop.train()
    torch.testing.assert_close(outputs_of(graph, images), outputs_of(model, images))


@pytest.mark.parametrize("kind", [Hooked, ChunkList, Assigned])
def test_maps_are_removed_as_by_hand(kind):
    """The pre-hook adds a constant to what `b` reads, so that a map of zeros in front of it is not a map deleted."""
    model, images = built(kind), torch.randn(3, 3, 8, 8)
    gated, sites, left_out = find_sites(model, images)
    read = "mix" if kind is ChunkList else "a"
    channels = set()
    for site in [site for site in sites if site.convolutions == (read,)]:
        for index in range(site.maps):
            channel = site.channels[0].index(index)
            channels.add(channel)
            smaller = copy.deepcopy(model)
            with torch.no_grad():
                smaller.b.weight[:, channel] = 0
                kept, deleted = model(images), smaller(images)
                assert not torch.equal(kept, deleted)
                torch.testing.assert_close(removed(gated, site, index, images), deleted)
    assert channels == set(range(6)), left_out


class Branch(Small):
    def between(self, maps, _):
        if maps.sum() < 0:
            maps = -maps
        return maps


class Item(Small):
    def between(self, maps, _):
        return maps * maps.max().item() if maps.shape[1] == 6 else maps


class Loop(Small):
    def between(self, maps, _):
        return torch.stack([self.norm(one[None])[0] for one in maps])


class HalfOfThem(Small):
    def between(self, maps, _):
        return maps + len(maps) // 2


class PartOfAView(Small):
    def between(self, maps, _):
        flat = maps.view(len(maps), -1)
        flat.mul_(2)
        return maps


REFUSED = [
    (Branch, "decides by the values of its data, .*line .*`if maps.sum"),
    (Item, "decides by the values of its data, .*line .*`return maps . maps.max"),
    (Loop, "does something else for another number of examples, .*line .*`return torch.stack"),
    (HalfOfThem, "a recording of its forward pass gives other outputs for a batch of 4"),
    (PartOfAView, "overwrites a part of a value that it reads later, .*line .*`flat.mul_"),
]


@pytest.mark.parametrize(("kind", "reason"), REFUSED)
def test_what_cannot_be_recorded_is_refused_with_the_line(kind, reason):
    with pytest.raises(BadInput, match=f"{kind.__name__} cannot be traced, since .*{reason}.*put gates") as caught:
        trace(plain_copy(built(kind)), torch.randn(2, 3, 8, 8))
    assert "\n" not in str(caught.value)


def test_the_first_way_is_torch_fx(monkeypatch):
    """A network that torch.fx can trace is not recorded: its graph keeps sizes, for inputs of other sizes."""
    monkeypatch.setattr(tracing, "recorded_graph", None)

    class Sized(Small):
        def between(self, maps, _):
            return maps.view(maps.size(0), -1, maps.size(2), maps.size(3))

    model = built(Sized)
    graph = trace(plain_copy(model), torch.randn(2, 3, 8, 8))
    larger = torch.randn(2, 3, 12, 12)
    torch.testing.assert_close(outputs_of(graph, larger), outputs_of(model, larger))


def test_what_recording_changes_it_restores():
    """Also when the network raises: torch's functions, `forward` of the layers, attributes that torch.fx has touched."""
    model = built(Branch)
    before = (torch.autocast.__enter__, torch.autograd.Function.__dict__["apply"], torch.jit.ScriptFunction.__call__)
    plain = plain_copy(model)
    with pytest.raises(BadInput, match=re.escape("values of its data")):
        trace(plain, torch.randn(2, 3, 8, 8))
    assert before == (torch.autocast.__enter__, torch.autograd.Function.__dict__["apply"], torch.jit.ScriptFunction.__call__)
    assert type(plain) is Branch
    assert not any("forward" in vars(module) for module in plain.modules())
    replaced = plain_copy(built(OwnForward))
    own = replaced.norm.forward
    trace(replaced, torch.randn(2, 3, 8, 8))
    assert replaced.norm.forward is own
