"""Maps are deleted from whatever holds a part of them, or it is said beforehand which cannot be, and the others are pruned."""

import dataclasses

import pytest
import torch
from commands import command
from cut_networks import WHOLE, Network, cut_case, mean
from networks import case_of
from torch import nn
from toys import randomise

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.cutting.check import check_outputs, comparison_batch
from pruning_oracle.bench.cutting.claims import agreed
from pruning_oracle.bench.cutting.surgery import cut, uncut
from pruning_oracle.bench.cutting.trial import prepared
from pruning_oracle.bench.cutting.wiring import shortened
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import cost
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.ranking import lowest
from pruning_oracle.pruning.loop.resume import StateFile
from pruning_oracle.pruning.loop.state import start

QUICK = PruningSettings(remove=2, updates=2, rate=0.01, batch=4, target=Target("maps", 0.6), flops_lambda=0.0)


def exact(case):
    return uncut(case.to("cpu", "float64"))


def deleted_twice(known, shares=(0.4, 0.6)):
    """Deletes random maps, then of those that are left, each time equal to gates in float64; returns what is left."""
    generator = torch.Generator().manual_seed(1)
    batch = comparison_batch(known.case)
    for share in shares:
        sizes = [site.maps for site in known.case.sites]
        scores = [torch.rand(size, generator=generator).numpy() for size in sizes]
        gone = lowest(known.case, scores, round(share * sum(sizes)), known.needed)
        smaller = cut(known, gone)
        assert check_outputs(known.case, smaller.case, gone, batch) <= 1e-9
        assert [site.maps for site in smaller.case.sites] == [
            site.maps - len(gone.get(site.name, ())) for site in known.case.sites
        ]
        known = smaller
    return known


@pytest.mark.parametrize("name", WHOLE)
def test_every_map_can_be_deleted(name):
    case = cut_case(name)
    assert not prepared(case).uncut
    known = exact(case)
    smaller = deleted_twice(known)
    assert cost.whole(smaller.case).flops < cost.whole(known.case).flops
    assert cost.whole(smaller.case).parameters < cost.whole(known.case).parameters


@pytest.mark.parametrize("name", WHOLE)
def test_every_single_map_can_be_deleted(name):
    known = exact(cut_case(name))
    batch = comparison_batch(known.case)
    for site in known.case.sites:
        for index in {0, site.maps // 2, site.maps - 1} if site.maps > 1 else ():
            gone = {site.name: [index]}
            assert check_outputs(known.case, cut(known, gone).case, gone, batch) <= 1e-9


def test_nothing_of_a_map_is_left_in_any_tensor():
    """By hand: a frozen norm's scale and shift, a parameter per channel in two shapes, an excitation's rows and columns."""
    shapes = {name: shape_of_third(name) for name in ("frozen norm", "parameters per channel", "excitation")}
    assert all(6 not in shape for shape in shapes["frozen norm"].values())
    assert shapes["parameters per channel"]["scale.gamma"] == (5,)
    assert shapes["parameters per channel"]["scale.shift"] == (1, 5, 1, 1)
    assert [shapes["excitation"][f"excite.{part}"] for part in ("down.weight", "up.weight", "up.bias")] == [
        (3, 5),
        (5, 3),
        (5,),
    ]


def shape_of_third(name):
    known = exact(cut_case(name))
    tensors = cut(known, {"stem": [3]}).case.model.state_dict()
    return {key: tuple(tensor.shape) for key, tensor in tensors.items()}


def test_a_map_of_every_group_makes_the_groups_narrower_and_a_whole_group_goes():
    """By hand: 4 groups of 2 inputs and 3 outputs, weights of 3 × 3."""
    known = exact(cut_case("grouped"))
    narrower = cut(known, {"stem": [0, 3, 5, 6], "g": [1, 3, 8, 10]}).case.model
    assert narrower.get_submodule("g").weight.shape == (8, 1, 3, 3)
    assert (narrower.get_submodule("g").groups, narrower.get_submodule("g").in_channels) == (4, 4)
    assert not any("gathers" in name for name, _ in narrower.named_modules())
    fewer = cut(known, {"stem": [2, 3], "g": [3, 4, 5]}).case.model
    assert fewer.get_submodule("g").weight.shape == (9, 2, 3, 3)
    assert fewer.get_submodule("g").groups == 3
    one = cut(known, {"stem": [2]}).case.model
    assert one.get_submodule("g").weight.shape == (12, 2, 3, 3), "the other groups need both inputs"
    assert not one.get_submodule("g").weight[3:6, 1].any(), "what the group lacks is zero"


def test_what_fills_a_group_learns_nothing():
    known = cut(exact(cut_case("grouped")), {"stem": [2], "g": [3]})
    layer = known.case.model.get_submodule("g")
    batch = comparison_batch(known.case)
    known.case.losses(batch).sum().backward()
    assert layer.weight.grad[:3].any()
    assert not layer.weight.grad[3:6, 1].any()
    assert not layer.weight.grad[5].any()


def shares(m, x):
    return mean(torch.relu(m.b(x * torch.softmax(m.share, 0).view(-1, 1, 1))))


def halves_squared(m, x):
    """Two halves side by side, in which no single map can be taken out, and an operation that does more than rearrange."""
    return mean(torch.relu(m.b(torch.relu(torch.square(x.view(-1, 2, 3, 8, 8) + m.shift).flatten(1, 2) - 0.1))))


CANNOT = {
    "shares of one": (shares, {"share": nn.Parameter(torch.randn(6))}, "add|mul"),
    "halves": (halves_squared, {"shift": nn.Parameter(torch.randn(2, 1, 1, 1))}, "add"),
}


def refusing(name):
    way, parts, _ = CANNOT[name]
    torch.manual_seed(0)
    return case_of(Network(6, 5, way, b=nn.Conv2d(6, 5, 3), **parts), 3, 8, 8)


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_be_cut_is_said_and_the_rest_is_pruned(name):
    settings = dataclasses.replace(QUICK, target=Target("maps", 0.5))
    state = Loop(start(refusing(name)), settings, choose_criteria(["taylor"])[0], lambda state: None).run()
    (out,) = state.pruned.uncut
    assert (out.convolution, out.maps) == ("stem", 6)
    assert "cannot do the same with fewer maps" in out.reason
    assert [site.name for site in state.pruned.case.sites] == ["b"]
    assert state.rows[-1]["maps"] == 3
    assert {owner[0] for row in state.rows[1:] for owner in row["removed"]} == {"b"}


def test_a_network_of_which_nothing_can_be_cut_is_one_sentence():
    model = Network(6, 6, lambda m, x: mean(x * torch.softmax(m.share, 0).view(-1, 1, 1)), share=nn.Parameter(torch.randn(6)))
    with pytest.raises(BadInput, match=r"has no map that can be deleted \(stem: .* cannot do the same with fewer maps\)"):
        start(case_of(model, 3, 8, 8))


def test_a_part_of_a_site_that_a_layer_reads_alone_keeps_a_map():
    """The first 3 of 7 maps feed one layer, the other 4 another; both must be left with an input."""
    case = cut_case("slices by sizes")
    known = exact(case)
    gone = lowest(case, [torch.arange(site.maps).numpy() for site in case.sites], 100, known.needed)
    smaller = cut(known, gone)
    assert check_outputs(known.case, smaller.case, gone, comparison_batch(known.case)) <= 1e-9
    assert min(smaller.case.model.get_submodule(name).in_channels for name in "ab") == 1


@pytest.mark.parametrize("criterion", ["taylor", "oracle_abs", "consumer_l2"])
@pytest.mark.parametrize("name", ["grouped", "shuffle by sizes", "frozen norm", "excitation"])
def test_the_loop_prunes_saves_and_goes_on(tmp_path, name, criterion):
    """A file holds numbers alone, from which the smaller network is made again."""
    settings = dataclasses.replace(QUICK, criterion=criterion, examples=4 if criterion != "taylor" else 0)
    known = None if criterion.startswith("oracle") else choose_criteria([criterion])[0]
    keeper = StateFile(tmp_path / "a.state", {"a": 1})
    state = Loop(start(cut_case(name)), settings, known, keeper.save).run()
    network_file.save_network(tmp_path / "a.network", state.pruned, {})
    file = network_file.runs.load(tmp_path / "a.network", "network")
    again = network_file.rebuild(uncut(cut_case(name)), file.facts, file.arrays, "a test")
    taken_up = keeper.found(cut_case(name))
    inputs = comparison_batch(state.pruned.case).inputs
    with torch.no_grad():
        expected = state.pruned.case.model(inputs)
        assert torch.equal(again.case.model(inputs), expected)
        assert torch.equal(taken_up.pruned.case.model(inputs), expected)
    assert again.case.sites == state.pruned.case.sites
    assert {key: tensor.shape for key, tensor in taken_up.momenta.items()} == {
        key: tensor.shape for key, tensor in state.momenta.items()
    }


def test_momentum_goes_with_the_maps():
    known = exact(cut_case("grouped"))
    smaller = cut(known, {"stem": [2], "g": [0, 4]})
    last = cut(smaller, {"g": [0]})
    for name, parameter in known.case.model.named_parameters():
        moved = smaller.moved(last, name, known.moved(smaller, name, parameter.detach()))
        assert torch.equal(moved, dict(last.case.model.named_parameters())[name])


def test_a_case_is_not_changed_by_a_cut():
    case = cut_case("shuffle by sizes")
    before = {name: tensor.clone() for name, tensor in case.model.state_dict().items()}
    code = case.model.code
    cut(uncut(case), {"stem": [0, 2], "b": [1]})
    assert case.model.code == code
    assert all(torch.equal(tensor, before[name]) for name, tensor in case.model.state_dict().items())


def test_a_smaller_network_takes_any_number_of_examples():
    for name in ("shuffle by numbers", "shuffle by sizes", "width of a view", "zeros beside", "padded channels"):
        known = exact(cut_case(name))
        smaller = cut(known, {"stem": [0, 3]}).case.model
        inputs = known.case.train.tensors[0].double()
        with torch.no_grad():
            whole = smaller(inputs)
            for count in (1, 2, 5):
                assert torch.allclose(smaller(inputs[:count]), whole[:count], atol=1e-12)


LIBRARIES = {
    "torchvision:resnext50_32x4d": 32,
    "torchvision:regnet_y_400mf": 32,
    "torchvision:shufflenet_v2_x0_5": 32,
    "torchvision:mobilenet_v3_small": 32,
    "torchvision:efficientnet_b0": 32,
    "torchvision:densenet121": 32,
    "torchvision:googlenet": 64,
    "timm:resnet18": 32,
    "timm:resnet18d": 32,
    "timm:resnetblur18": 32,
    "timm:seresnet18": 32,
    "timm:regnetx_002": 32,
    "timm:ghostnet_100": 32,
    "timm:mobilenetv3_small_050": 32,
    "timm:efficientnet_lite0": 32,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_networks_of_libraries(name):
    """Random maps of every site can be deleted."""
    library, _, model = name.partition(":")
    module = pytest.importorskip("torchvision.models" if library == "torchvision" else "timm")
    torch.manual_seed(0)
    extra = {"init_weights": False} if model == "googlenet" else {}
    build = module.get_model if library == "torchvision" else module.create_model
    made = build(model, num_classes=10, **extra)
    case = case_of(randomise(made.eval()), 3, LIBRARIES[name], LIBRARIES[name])
    known = prepared(case.to("cpu", "float64"))
    assert not known.uncut
    deleted_twice(known)


def test_pruning_and_show_say_which_maps_stay(tmp_path):
    """A file of a user's: the command prunes what it can, and the file can be read by another process."""
    (tmp_path / "mine.py").write_text(SHARES_OF_ONE)
    words = ["--criterion", "weight_l2", "--updates", "1", "--batch", "4", "--target", "maps=0.7", "--final-updates", "0"]
    done = command("pruning", "mine.py", *words, "--run-name", "few", "--out", "here", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "site 'stem' keeps its 6 maps: softmax (operation softmax) cannot do the same with fewer maps" in done.stdout
    done = command("export", "here/few.network", "--source", "mine.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    done = command("bench", "show", "mine.py", folder=tmp_path)
    assert "pruning cannot delete: stem, 6 maps: softmax (operation softmax) cannot do the same with fewer maps" in done.stdout


SHARES_OF_ONE = """
import torch
from torch import nn
from toys import randomise
from torch.utils.data import TensorDataset
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.b, self.read = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 1), nn.Linear(8, 4)
        self.share = nn.Parameter(torch.randn(6))

    def forward(self, images):
        maps = torch.relu(self.stem(images)) * torch.softmax(self.share, 0).view(-1, 1, 1)
        return self.read(torch.relu(self.b(maps)).mean((2, 3)))


@case
def mine(seed):
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(24, 3, 8, 8), torch.arange(24) % 4)
    return assemble(Network().eval(), data, data, examples=8)
"""


class CarriesGates(nn.Module):
    """It decides by its data, so it is no graph; its gates stand before a convolution, a recurrent and a linear layer."""

    def __init__(self):
        super().__init__()
        self.a, self.norm, self.first = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Gate(4)
        self.b, self.second = nn.Conv2d(4, 5, 3), Gate(5)
        self.c, self.third = nn.Conv2d(5, 6, 3, bias=False), Gate(6)
        self.recurrent, self.read = nn.GRU(5, 3, batch_first=True), nn.Linear(9, 3)

    def forward(self, images):
        maps = self.second(torch.tanh(self.b(self.first(torch.relu(self.norm(self.a(images)))))))
        if maps.sum() > 1e9:
            maps = -maps
        rows = self.recurrent(maps.mean(3).mT)[0][:, -1]
        return self.read(torch.cat([self.third(torch.tanh(self.c(maps))).mean((2, 3)), rows], 1))


def test_a_network_that_is_no_graph_is_cut_layer_by_layer():
    sites = [
        Site(name, maps, (name,), (gate,), (tuple(range(maps)),))
        for name, maps, gate in (("a", 4, "first"), ("b", 5, "second"), ("c", 6, "third"))
    ]
    case = case_of(randomise(CarriesGates()), 3, 9, 9, carried=sites)
    assert not prepared(case).uncut
    smaller = deleted_twice(exact(case)).case.model
    assert smaller.read.in_features == smaller.c.out_channels + 3 < 9
    assert smaller.recurrent.input_size == smaller.b.out_channels < 5


def test_uses_of_a_tensor_agree_on_what_all_of_them_claim():
    first, other = torch.tensor([0, 1, 2]), torch.tensor([0, 5, 2])
    assert [claim.tolist() for claim in agreed([[first], [other]])] == [[0, -1, 2]]
    assert agreed([[first], [torch.tensor([3, 4, 5])]]) == []
    assert agreed([[first], []]) == []
    assert [claim.tolist() for claim in agreed([[first, other], [other, first]])] == [[0, 1, 2], [0, 5, 2]]


def test_a_claim_is_as_short_as_it_can_be():
    assert shortened(torch.tensor([[[1, 1], [2, 2]]]).expand(3, 2, 2)).tolist() == [[[1], [2]]]
    assert shortened(torch.zeros(0, 2)).shape == (0, 1)


def test_what_cannot_be_deleted_is_named():
    known = exact(case_of(randomise(CarriesGates()), 3, 9, 9, carried=[Site("a", 4, ("a",), ("first",), ((0, 1, 2, 3),))]))
    for gone, message in (([4], "map 4 of 4 of site 'a'"), ([0, 1, 2, 3], "all 4 maps of site 'a'")):
        with pytest.raises(BadInput, match=f"{message} cannot be deleted: at least one must stay"):
            cut(known, {"a": gone})
