"""NVlabs/Taylor_pruning's criteria, re-derived from a description: as the project computes them, not corrected.

Both work on the mean loss of a minibatch, so examples are taken 32 at a time, in their order.
"""

import torch
from torch.nn import functional as F

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean
from pruning_oracle.criteria.peers.minibatches import means

PROJECT = "NVlabs/Taylor_pruning, from a description of it"


@criterion(
    needs={"gate_grad"},
    reduce=mean,
    unit="nats²",
    source=f"{PROJECT}: its main criterion",
    order="it squares a minibatch's mean",
)
def nvlabs_gate(site: Evidence) -> PerExample:
    r"""Squared gradient of a minibatch's mean loss by the gate, added up over minibatches of 32.

    Examples cancel within a minibatch, so it lies between two criteria of this suite: with minibatches of one example it is
    `taylor_squared` times the number of examples; with one minibatch of all examples, the square of `taylor_signed`.

    $$\Theta = \sum_b \left( \frac{\partial C_b}{\partial g} \right)^2$$
    """
    return means(site.gate_grad).square().sum(0)[None]


@criterion(
    needs={"product_magnitude"},
    reduce=mean,
    unit="none",
    source=f"{PROJECT}: what it calls ICLR2017",
    order="it scales every minibatch to 1",
)
def nvlabs_iclr2017(site: Evidence) -> PerExample:
    r"""Mean over examples and positions of |activation × gradient|, scaled to norm 1 per minibatch of 32, and added up.

    The project intends eq. 8 of arXiv:1611.06440, which takes the magnitude after the mean over positions. With one minibatch
    of all examples it is `taylor_elementwise` times a constant.

    $$\Theta_k = \sum_b \frac{m_{bk}}{\sqrt{\sum_l m_{bl}^2}}, \quad m_b = \frac{1}{|b|\,P} \sum_{n \in b} \sum_p \left|
    a_{np} \frac{\partial C_n}{\partial a_{np}} \right|$$
    """
    parts = means(site.product_magnitude / site.positions)
    return F.normalize(parts, dim=1, eps=torch.finfo(parts.dtype).tiny).sum(0)[None]
