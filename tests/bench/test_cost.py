"""What networks and their maps cost: by hand, against torch's own counter, and against what a physical deletion saves."""

import copy

import pytest
import torch
import torchvision
from commands import CASE, command
from networks import CHAINS, Carried, Chain, Multiplied, OptionA, Packed, Shapes, case_of, own_case, sweep, torchvision_case
from torch import nn
from torch.utils.data import TensorDataset
from torch.utils.flop_counter import FlopCounterMode
from toys import TOYS, Clips, Twice, pixel_case, randomise, toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network.cost import Cost, MapCost, layers, maps, whole

torch_pruning = pytest.importorskip("torch_pruning", reason="torch-pruning, which is compared with, is not installed")


def counted(model, inputs):
    """FLOPs by torch's own counter, and parameters."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(inputs)
    return counter.get_total_flops(), sum(parameter.numel() for parameter in model.parameters())


def one(case):
    return next(case.batches(case.train, [0], 1)).inputs


def bare(model, *shape):
    """A case around a model whose sites do not matter."""
    data = TensorDataset(torch.randn(6, *shape), torch.zeros(6, dtype=torch.long))
    return Case(model.eval(), (), (), data, data, nn.CrossEntropyLoss(reduction="none"), 3, "a test")


WHOLE = {
    "alexnet": (3, 64, 64),
    "resnet18": (3, 32, 32),
    "mobilenet_v2": (3, 32, 32),
    "squeezenet1_1": (3, 32, 32),
    "resnext50_32x4d": (3, 32, 32),
    "r3d_18": (3, 4, 32, 32),
}


@pytest.mark.parametrize("name", sweep(WHOLE))
def test_torchvision_as_torch_counts(name):
    family = torchvision.models.video if name == "r3d_18" else torchvision.models
    case = bare(getattr(family, name)(weights=None, num_classes=10), *WHOLE[name])
    flops, parameters = counted(case.model, one(case))
    assert whole(case) == Cost(flops, parameters)
    assert sum(layer.flops for layer in layers(case).values()) == flops


@pytest.mark.parametrize("name", [*TOYS, "vgg-digits", "resnet-digits", "r3dcnn-gestures"])
def test_cases_as_torch_counts(name):
    case = toy_case(name) if name in TOYS else load(name, 0).to("cpu", "float64")
    flops, parameters = counted(case.model, one(case))
    assert whole(case) == Cost(flops, parameters)
    assert sum(layer.flops for layer in layers(case).values()) == flops


@pytest.mark.parametrize("name", CHAINS)
def test_layers_as_torch_counts(name):
    """In double precision torch sees what recurrent layers do."""
    case = case_of(Chain(*CHAINS[name]), 1, 6, 6).to("cpu", "float64")
    flops, parameters = counted(case.model, one(case))
    assert whole(case) == Cost(flops, parameters)
    assert sum(layer.flops for layer in layers(case).values()) == flops


def test_recurrent_layers_count_where_torch_does_not_see_them():
    """An LSTM in float32 is one kernel on a CPU. By hand: 4 gates × 5 units, 3 inputs and 5 states, 7 steps."""
    steps = torch.randn(1, 7, 3)
    case = bare(nn.LSTM(3, 5, batch_first=True), 7, 3)
    assert whole(case).flops == 2 * 4 * 5 * (3 + 5) * 7
    assert whole(case) == whole(case.to("cpu", "float64")) == Cost(*counted(case.model.double(), steps.double()))


def test_a_projecting_lstm_and_cells():
    case = bare(nn.LSTM(3, 5, proj_size=2, num_layers=2, bidirectional=True, batch_first=True), 7, 3).to("cpu", "float64")
    assert whole(case).flops == counted(case.model, one(case))[0]
    assert whole(bare(Packed(), 1, 4, 4)).flops == 2 * (16 * 3 + 16 * 4 * 6 * (3 + 6) + 6 * 2)
    case = bare(nn.GRUCell(3, 5), 3)
    assert whole(case).flops == 2 * 3 * 5 * (3 + 5)


def test_what_is_called_as_a_function_counts_in_the_whole():
    """The depthwise convolution called as a function: 4 maps of 36 positions, 9 weights."""
    case = case_of(Shapes("depthwise"), 1, 6, 6)
    assert whole(case).flops == counted(case.model, one(case))[0]
    assert whole(case).flops == sum(layer.flops for layer in layers(case).values()) + 2 * 4 * 36 * 9


class Functions(nn.Module):
    """Products that are called as functions, each by position and by name."""

    def forward(self, rows):
        square = rows.unflatten(1, (4, 4))
        found = [rows @ rows.mT, torch.mm(input=rows, mat2=rows.mT), rows.matmul(rows.mT), square.bmm(square)]
        found += [torch.addmm(found[0], rows, rows.mT), torch.baddbmm(square, batch1=square[..., :2], batch2=square[:, :2])]
        wide = torch.cat([square, square], 2)
        found.append(nn.functional.scaled_dot_product_attention(square[:, None], square[:, None], wide[:, None]))
        found.append(nn.functional.conv_transpose1d(square, weight=wide[0, :, :6].unflatten(1, (2, 3))))
        found.append(nn.functional.conv1d(input=square[0], weight=square))
        return sum(part.sum() for part in found)


def test_functions_as_torch_counts():
    case = bare(Functions(), 16)
    assert whole(case).flops == counted(case.model, one(case))[0] > 0


def test_the_pixel_by_hand():
    assert whole(pixel_case()) == Cost(flops=6 + 6, parameters=3 + 3)
    assert maps(pixel_case()) == {"conv": MapCost(made=2 * (1 + 1), saved=2 + 2, parameters=1 + 1)}


def test_the_toys_by_hand():
    assert maps(toy_case("plain")) == {
        "features.0": MapCost(made=2 * 64 * (2 * 9 + 1), saved=2 * 64 * 18 + 2 * 16 * 4 * 9, parameters=19 + 2 + 36),
        "features.4": MapCost(made=2 * 16 * (5 * 9 + 1), saved=2 * 16 * 45 + 2 * 16 * 3, parameters=46 + 48),
    }
    branch = 4 * 4 - 3 * 3  # of its 16 pairs of maps: it reads and makes the same stream
    reads = 36 * (3 + 5)
    assert maps(toy_case("residual"))["stem"] == MapCost(
        made=2 * 36 * (2 * 9 + 1 + 4 * 9 + 1 + 9 + 1),
        saved=2 * (36 * (18 + 9 * branch + 9) + reads),
        parameters=(18 + 1) + 9 * branch + 2 + (9 + 1) + 3 + 2 + 5,
    )
    assert maps(toy_case("residual"))["side"] == MapCost(2 * 36 * 5, 2 * 36 * (4 + 5), 4 + 1 + 2 + 5)
    clips = 2 * 4 * 6 * 6  # positions of two clips
    assert maps(toy_case("clips")) == {"conv": MapCost(2 * clips * 28, 2 * clips * 27 + 2 * 2 * 3 * 4, 28 + 3 * 4)}
    assert maps(toy_case("twice")) == {"conv": MapCost(2 * 64 * 10, 2 * 64 * 9 + 2 * 2 * 3, 10 + 2 * 3)}


def test_the_papers_formula_on_the_first_layers_of_vgg16():
    """2HW(C_in·K² + 1) per map, on 32 × 32 images."""
    first = torchvision.models.vgg16(weights=None).features[:4]
    case = case_of(nn.Sequential(*first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2)), 3, 32, 32)
    assert [found.made for found in maps(case).values()] == [2 * 32**2 * (3 * 9 + 1), 2 * 32**2 * (64 * 9 + 1)]


def deleted(model, site, index, inputs):
    """The smaller network that Torch-Pruning's dependency graph gives."""
    smaller = copy.deepcopy(model)
    for parameter in smaller.parameters():
        parameter.requires_grad_(True)
    graph = torch_pruning.DependencyGraph().build_dependency(smaller, example_inputs=inputs)
    maker = smaller.get_submodule(site.convolutions[0])
    group = graph.get_pruning_group(maker, torch_pruning.prune_conv_out_channels, idxs=[site.channels[0].index(index)])
    assert graph.check_pruning_group(group)
    group.prune()
    return smaller.eval()


def saves_what_it_says(model, case, most=4):
    """Deletes a map at a few sites and compares torch's count with what was promised, exactly."""
    inputs, promised = one(case), maps(case)
    before = counted(model, inputs)
    last = len(case.sites) - 1
    chosen = case.sites if last < most else [case.sites[place * last // (most - 1)] for place in range(most)]
    for place, site in enumerate(chosen):
        after = counted(deleted(model, site, (0, site.maps - 1, site.maps // 2)[place % 3], inputs), inputs)
        assert promised[site.name].saved == before[0] - after[0], site
        assert promised[site.name].parameters == before[1] - after[1], site


@pytest.mark.filterwarnings("ignore")  # Torch-Pruning and torch.jit warn of their own calls
@pytest.mark.parametrize(
    "name", sweep(["alexnet", "resnet18", "mobilenet_v2", "mobilenet_v3_small", "densenet121", "squeezenet1_1", "r3d_18"])
)
def test_deleting_a_map_saves_what_it_says(name):
    saves_what_it_says(*torchvision_case(name))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["plain", "residual"])
def test_deleting_a_map_of_a_toy(name):
    build, shape = TOYS[name]
    model = randomise(build())
    saves_what_it_says(model, case_of(model, *shape), most=10)


@pytest.mark.filterwarnings("ignore")
def test_deleting_a_map_of_the_embedded_residual_network():
    case = load("resnet-digits", 0)
    saves_what_it_says(copy.deepcopy(case.model), case, most=10)


def narrower(build, shape, changes):
    """What a network costs before and after it is built with fewer maps."""
    inputs = torch.randn(1, *shape)
    model = build()
    before = counted(model, inputs)
    for name, layer in changes.items():
        model.set_submodule(name, layer)
    after = counted(model, inputs)
    return before[0] - after[0], before[1] - after[1]


def bent(behind, maps):
    """PReLUs that have a slope for every map, and one for all."""
    return behind[1](behind[0](maps)).mean((2, 3))


BY_HAND = {
    "slopes": (
        lambda: Chain(nn.Sequential(nn.PReLU(4), nn.PReLU()), bent, 4),
        (1, 6, 6),
        {"conv": nn.Conv2d(1, 3, 3, padding=1), "behind.0": nn.PReLU(3), "read": nn.Linear(3, 2)},
    ),
    "clips": (Clips, (1, 8, 6, 6), {"conv": nn.Conv3d(1, 2, 3, padding=1), "recurrent": nn.GRU(2, 4, batch_first=True)}),
    "twice": (Twice, (1, 8, 8), {"conv": nn.Conv2d(1, 3, 3, padding=1), "classifier": nn.Linear(6, 3)}),
    "a multiplier": (
        Multiplied,
        (1, 6, 6),
        {"conv": nn.Conv2d(1, 2, 3), "depthwise": nn.Conv2d(2, 4, 3, groups=2), "read": nn.Linear(4, 2)},
    ),
    "transposed": (
        lambda: Chain(*CHAINS["transposed"]),
        (1, 6, 6),
        {"conv": nn.Conv2d(1, 3, 3, padding=1), "behind": nn.ConvTranspose2d(3, 5, 3, stride=2)},
    ),
    "both directions": (
        lambda: Chain(*CHAINS["both directions, two layers"]),
        (1, 6, 6),
        {"conv": nn.Conv2d(1, 3, 3, padding=1), "behind": nn.GRU(3, 3, num_layers=2, bidirectional=True)},
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_deleting_a_map_by_hand(name):
    build, shape, changes = BY_HAND[name]
    case = case_of(build(), *shape)
    flops, parameters = narrower(build, shape, changes)
    found = maps(case)["conv"]
    assert (found.saved, found.parameters) == (flops, parameters)


def test_deleting_what_a_transposed_convolution_makes():
    changes = {"behind": nn.ConvTranspose2d(4, 4, 3, stride=2), "read": nn.Linear(4, 2)}
    flops, parameters = narrower(lambda: Chain(*CHAINS["transposed"]), (1, 6, 6), changes)
    found = maps(case_of(Chain(*CHAINS["transposed"]), 1, 6, 6))["behind"]
    assert (found.saved, found.parameters) == (flops, parameters)
    assert found.made == 2 * (36 * 4 * 9 + 13 * 13)


@pytest.mark.parametrize("name", ["vgg-digits", "r3dcnn-gestures"])
def test_deleting_a_map_of_the_embedded_chains(name):
    case = load(name, 0).to("cpu", "float64")
    inputs, promised = one(case), maps(case)
    before = counted(case.model, inputs)
    layers_ = [name for name, module in case.model.named_modules() if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear))]
    for site, reader in zip(case.sites, layers_[1:], strict=False):
        smaller = copy.deepcopy(case.model)
        maker, reads = (smaller.get_submodule(name) for name in (site.convolutions[0], reader))
        maker.weight, maker.bias = nn.Parameter(maker.weight[1:]), nn.Parameter(maker.bias[1:])
        maker.out_channels -= 1
        reads.weight = nn.Parameter(reads.weight[:, reads.weight.shape[1] // site.maps :])
        after = counted(smaller, inputs)
        assert promised[site.name].saved == before[0] - after[0]
        assert promised[site.name].parameters == before[1] - after[1]


def test_sites_that_share_a_convolution():
    """Option A by hand: `narrow` has two maps, one of which is read by `wide` (36 weights each, 4 × 4 positions) and `read`."""
    found = maps(case_of(OptionA(), 1, 4, 4))
    pairs = 2 * 4 - 1 * 3  # `wide` makes a map of the stream and reads it
    assert found["narrow"].saved == 2 * (16 * 9 + 16 * 9 * pairs + 3)
    assert found["wide"].saved == 2 * (16 * 9 * 2 + 3)
    assert found["wide"].made == 2 * 16 * 19


def test_a_grouped_convolution_counts_a_share():
    found = maps(case_of(Chain(*CHAINS["groups"]), 1, 6, 6))
    assert found["conv"].saved == 2 * (36 * 9 + 16 * 9 * 3)
    assert found["behind"].saved == 2 * (16 * 9 * 2 + 2)
    assert found["behind"].made == 2 * 16 * 19


def test_a_depthwise_convolution_that_the_site_does_not_name():
    site = Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))
    found = maps(case_of(Carried(), 1, 4, 4, carried=[site]))["conv"]
    assert found.saved == 2 * (16 + 2 * 4 * 9 + 2 * 2)
    assert found.made == 2 * 16 * 2


def test_a_convolution_of_ones_own_is_not_seen_but_its_readers_are():
    found = maps(own_case())["conv"]
    assert (found.made, found.saved) == (0, 2 * (2 * 4 * 9 + 2 * 2))


def test_costs_do_not_depend_on_precision():
    known = maps(toy_case("residual")), whole(toy_case("residual"))
    for precision in ("float32", "bfloat16"):
        case = toy_case("residual", precision=precision)
        assert (maps(case), whole(case)) == known


def test_run_files_and_the_description_of_a_case_carry_the_costs(tmp_path):
    """By hand: a 1 × 1 convolution with 3 maps of 4 positions, read by two classes."""
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))
    done = command("oracle", "mine.py", "--out", "here", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = runs.load(tmp_path / "here", "oracle").facts
    assert (facts["mflops"], facts["parameters"]) == (72e-6, 6 + 26)
    assert facts["sites"] == [{"name": "0", "maps": 3, "convolutions": ["0"], "mflops": 16e-6, "saved_mflops": 24e-6}]
    shown = command("bench", "show", "mine.py", folder=tmp_path).stdout
    assert "0.00 MFLOPs per example, 32 parameters\n1 sites, 3 maps\n" in shown
    assert [line.split() for line in shown.splitlines()][-1] == ["0", "3", "maps", "0.0000", "0.0000"]


def test_nothing_stays_behind_in_the_model():
    case = toy_case("clips")
    whole(case)
    maps(case)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in case.model.modules())
