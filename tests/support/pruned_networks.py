"""Torchvision networks as cases to prune, and a random choice of maps to delete."""

import torch
from networks import network
from torch.utils.data import TensorDataset

from pruning_oracle.bench.cutting.surgery import uncut
from pruning_oracle.bench.loading.assemble import assemble

NETWORKS = {
    "squeezenet1_0": (3, 64, 64),
    "vgg16_bn": (3, 32, 32),
    "resnet50": (3, 32, 32),
    "mobilenet_v2": (3, 32, 32),
    "mobilenet_v3_small": (3, 32, 32),
    "r3d_18": (3, 4, 32, 32),
}


def network_case(name):
    data = TensorDataset(torch.randn(8, *NETWORKS[name]), torch.arange(8) % 10)
    return assemble(network(name).float(), data, data)


def pruned(case):
    return uncut(case)


def third(case, generator):
    """A random third of the maps of every site, by site; a site of one or two maps loses none."""
    return {
        site.name: torch.randperm(site.maps, generator=generator)[: site.maps // 3].tolist()
        for site in case.sites
        if site.maps > 2
    }
