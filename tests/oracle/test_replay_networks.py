"""The replay engine equals the literal one on torchvision's networks, and on real weights and images."""

import os
import re
import tarfile
from pathlib import Path

import pytest
import torch
import torchvision
from every_way import every_way
from networks import sweep
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset
from torchvision import transforms
from toys import randomise

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import Gate, gated
from pruning_oracle.bench.network.tracing import trace
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.exact.traced import Traced

NETWORKS = {
    "alexnet": 64,
    "vgg11": 32,
    "vgg16_bn": 32,
    "resnet18": 32,
    "resnet50": 32,
    "squeezenet1_1": 32,
    "mobilenet_v2": 32,
    "densenet121": 32,
    "googlenet": 32,
    "r3d_18": 16,
    "r2plus1d_18": 16,
}


def removals(case, batch, engine, site, maps):
    """The engine's change of some maps in every way it has, and the literal one."""
    kept = case.loss(case.model(batch.inputs), batch.labels).detach()
    for found in every_way(case, engine, site, batch):
        for index in maps:
            value = torch.ones(len(kept), site.maps, dtype=kept.dtype)
            value[:, index] = 0
            with torch.no_grad(), gated(case.model, {site: value}):
                yield found[:, index], case.loss(case.model(batch.inputs), batch.labels) - kept


def agree(case, chosen, monkeypatch, least=1e-6):
    """The engine equals the definition on some maps of some sites; the others are taken for dead so that it is quick."""
    batch, engine, alive = next(case.batches(case.train, range(2), 2)), Replay(case), Traced.alive
    moved = 0.0
    for site, maps in chosen:
        some = torch.zeros(site.maps, dtype=torch.bool)
        some[list(maps)] = True
        monkeypatch.setattr(Traced, "alive", lambda network, site, some=some: alive(network, site) & some)
        for found, expected in removals(case, batch, engine, site, maps):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
            moved = max(moved, float(expected.abs().max()))
    assert moved > least
    assert engine.network.why == ""


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", sweep(NETWORKS))
def test_torchvision(name, monkeypatch):
    """Three sites, a few maps of each."""
    torch.manual_seed(0)
    video, size = name in {"r3d_18", "r2plus1d_18"}, NETWORKS[name]
    extra = {"init_weights": False} if name == "googlenet" else {}
    model = getattr(torchvision.models.video if video else torchvision.models, name)(weights=None, num_classes=10, **extra)
    data = TensorDataset(torch.randn(8, 3, *((4,) if video else ()), size, size), torch.randint(0, 10, (8,)))
    case = assemble(randomise(model), data, data).to("cpu", "float64")
    sites = [case.sites[place * (len(case.sites) - 1) // 2] for place in range(3)]
    agree(case, [(site, sorted({0, site.maps // 3, site.maps - 1})) for site in sites], monkeypatch)


def test_convnext_whose_gates_are_put_in_by_hand(monkeypatch):
    """Its maps meet a layer norm, so that none can be deleted; a removal in front of one is still measured exactly."""
    torch.manual_seed(0)
    model = randomise(torchvision.models.convnext_tiny(weights=None, num_classes=10))
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale"):
            nn.init.ones_(parameter)  # as it begins, a millionth, it hides every block
    traced = trace(model, torch.randn(2, 3, 32, 32))
    sites = []
    for node in [node for node in traced.graph.nodes if node.op == "call_module"]:
        conv = traced.get_submodule(node.target)
        if isinstance(conv, nn.Conv2d) and conv.groups > 1:
            name = f"gates_{len(sites)}"
            traced.add_submodule(name, Gate(conv.out_channels))
            with traced.graph.inserting_after(node):
                gate = traced.graph.call_module(name, (node,))
            node.replace_all_uses_with(gate, delete_user_cb=lambda user, gate=gate: user is not gate)
            sites.append(Site(node.target, conv.out_channels, (node.target,), (name,), (tuple(range(conv.out_channels)),)))
    traced.recompile()
    data = TensorDataset(torch.randn(8, 3, 32, 32), torch.randint(0, 10, (8,)))
    case = assemble(traced.eval(), data, data, carried=sites).to("cpu", "float64")
    agree(case, [(site, (0, site.maps - 1)) for site in (case.sites[0], case.sites[9], case.sites[-1])], monkeypatch)


DATA = Path(os.environ.get("DATA", "../shared/data"))


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "imagenet_sample").is_dir(), reason=f"no ImageNet sample under DATA ({DATA})")
def test_squeezenet_with_real_weights_on_real_images(monkeypatch):
    model = torchvision.models.squeezenet1_0(weights=None)
    weights = torch.load(DATA / "weights/squeezenet1_0_imagenet.pt", weights_only=True, map_location="cpu")
    model.load_state_dict(weights)
    normalise = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    images, labels = [], []
    with tarfile.open(DATA / "imagenet_sample/images_250x227.tar") as archive:
        files = [member for member in archive.getmembers() if member.isfile()][::32]
        for member in files:
            images.append(normalise(Image.open(archive.extractfile(member)).convert("RGB")))
            labels.append(int(re.match(r"\d+", Path(member.name).name)[0]))
    data = TensorDataset(torch.stack(images), torch.tensor(labels))
    case = assemble(model.eval(), data, data).to("cpu", "float64")
    sites = (case.sites[0], case.sites[len(case.sites) // 2], case.sites[-1])
    agree(case, [(site, (1, site.maps // 2)) for site in sites], monkeypatch, least=1e-3)
