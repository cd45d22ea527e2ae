"""What people have as data, as the examples that a case takes: a data set, a pair of tensors, or a DataLoader's data set."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.errors import BadInput

ALLOWED = "a data set of (input, label), a pair of tensors or arrays (inputs, labels), or a DataLoader of a data set"


def examples_of(what: str, data: Any) -> Examples:
    """The examples in `data`; `what` calls them in messages.

    Of a DataLoader they are its data set's, so its batch size, order and sampler count for nothing; one with a `collate_fn` of
    its own is refused. BadInput for anything else than what `ALLOWED` says.
    """
    if isinstance(data, DataLoader):
        return _of_loader(what, data)
    if isinstance(data, (tuple, list)) and len(data) == 2 and all(isinstance(part, (Tensor, np.ndarray)) for part in data):
        inputs, labels = (torch.as_tensor(part) for part in data)
        if not inputs.ndim or not labels.ndim or len(inputs) != len(labels):
            raise BadInput(
                f"{what} has inputs {tuple(inputs.shape)} and labels {tuple(labels.shape)}; allowed is one label each"
            )
        return TensorDataset(inputs, labels)
    if isinstance(data, Examples) and not isinstance(data, (str, bytes, dict, Tensor, np.ndarray)):
        return data
    lacking = " without a length and examples by index" if hasattr(data, "__iter__") and not isinstance(data, str) else ""
    raise BadInput(f"{what} is a {type(data).__name__}{lacking}; allowed are {ALLOWED}")


def _of_loader(what: str, loader: DataLoader[Any]) -> Examples:
    if loader.collate_fn is not torch.utils.data.default_collate:
        raise BadInput(
            f"{what} is a DataLoader with a collate_fn of its own; give a data set whose examples are (input, label)"
        )
    if not isinstance(loader.dataset, Examples):
        raise BadInput(f"{what} is a DataLoader of a {type(loader.dataset).__name__}, which has no length and no index")
    return loader.dataset
