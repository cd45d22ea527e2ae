"""case() makes a case of a model and data; load() loads one by its name, from a file, or as a network of a library."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from pruning_oracle.bench.case import Case, Loss, Site
from pruning_oracle.bench.loading.assemble import Probe, assemble
from pruning_oracle.bench.loading.case_line import case_line
from pruning_oracle.bench.loading.load import load as load_by_name
from pruning_oracle.bench.loading.losses import cross_entropy
from pruning_oracle.bench.runs.bounds import SEED
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.interface.data import examples_of

EXAMPLES = 512  # that an oracle uses where nobody says how many, or half of what there is


def case(
    model: nn.Module,
    train: Any,
    test: Any,
    *,
    loss: Loss = cross_entropy,
    examples: int | None = None,
    carried: Sequence[Site] = (),
    probe: Probe | None = None,
    name: str | None = None,
    seed: int = 0,
) -> Case:
    """Makes a case of a trained model and its data: finds the sites where feature maps can be removed.

    The model is copied, not changed.

    Args:
        model: the network, in eval mode, on any device; its forward pass takes one batch of inputs.
        train: the examples that oracle and criteria are measured on: a data set of `(input, label)`, a pair of tensors or
            arrays `(inputs [example, …], labels [example, …])`, or a DataLoader, whose data set is taken.
        test: the examples that say how good the network is, in the same form.
        loss: a function of the model's output and the labels, or a loss module with `reduction="none"`, that gives one number
            per example, `[example]` in nats. Default: cross-entropy.
        examples: how many training examples an oracle uses where nothing else is said (default 512, or half of them).
        carried: the sites of a model that cannot be traced and carries its own `Gate` modules.
        probe: the same network made for smaller inputs, and a batch of two such inputs, to find sites sooner.
        name: what runs are called (default: the model's class).
        seed: what examples are drawn from, and part of the run's name.

    Returns:
        The case: its `sites`, what was `left_out` of them and why, and the network with gates in it.

    Raises:
        BadInput: names what is wrong with the model, the data or the loss.

    Examples:
        >>> import torch, pruning_oracle as po
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(12, 2))
        >>> data = torch.randn(20, 1, 4, 4), torch.arange(20) % 2
        >>> [site.maps for site in po.case(model.eval(), data, data).sites]
        [3]
    """
    SEED.check("seed", seed)
    learnt, tested = examples_of("train", train), examples_of("test", test)
    count = max(3, min(EXAMPLES, len(learnt) // 2)) if examples is None else examples
    why = f"{EXAMPLES}, or half of what there is" if examples is None else "as was asked for"
    made = assemble(model, learnt, tested, loss=loss, examples=count, why=why, carried=carried, probe=probe)
    return dataclasses.replace(made, name=checked_name("name", name or type(model).__name__), seed=seed)


def load(
    name: str | Path,
    *,
    seed: int = 0,
    data: str | None = None,
    weights: str | Path | None = None,
    size: int | None = None,
    run_name: str | None = None,
) -> Case:
    """Loads a case of the suite by its name, one in a Python file, or a network of torchvision or timm with your data.

    Args:
        name: such as `vgg-digits`, `mine.py` (a file with one function marked `@case`) or `torchvision:resnet18`.
        seed: which of a case's trained networks, and what examples are drawn from.
        data: of a library's network: `imagefolder:PATH`, `npz:PATH` or `videofolder:PATH`.
        weights: its state dict, read without running code (default: those that `pruning-oracle train` made of it).
        size: pixels of the square that it sees (default: as its published weights were tested).
        run_name: what its runs are called (default: the network's and the data's names).

    Returns:
        The case.

    Raises:
        BadInput: there is no such case, or something is wrong with its file, weights or data.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> len(case.sites), sum(site.maps for site in case.sites)
        (13, 528)
    """
    return load_by_name(case_line(str(name), data=data, weights=weights, size=size, name=run_name), seed)
