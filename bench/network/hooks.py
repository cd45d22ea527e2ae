"""Watches what modules do with one example: runs it through the network with a forward hook on each of them."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from pruning_oracle.bench.case import Case


def watch_one_example(case: Case, modules: Iterable[nn.Module], hook: Callable[[nn.Module, Any, Any, Any], None]) -> None:
    """Calls `hook(module, args, kwargs, output)` whenever one of the modules is called on the first training example.

    The hooks are removed afterwards, even after an exception.
    """
    with ExitStack() as stack, torch.no_grad():
        for module in modules:
            stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        case.model(next(case.batches(case.train, [0], 1)).inputs)
