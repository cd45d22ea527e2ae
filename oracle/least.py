"""The least memory that measuring an oracle takes, whatever the batch: to refuse a limit that cannot be held."""

from torch import fx
from torch.nn.modules.conv import _ConvNd

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.network import memory

# times the largest output of a layer: the engine learns how values are laid out from eight examples side by side, and the
# copies that comparing them takes; the factor is that of the worst of SqueezeNet, AlexNet, MobileNet and ResNets
LAYOUT = 75
PASS = 2  # times the activations of one example: its kept values and one removal
COPIES = 3  # of the convolutions' weights: with batch norms folded in, in another memory format, and as a library lays them out


def least_bytes(case: Case, engine: str) -> int:
    """The least bytes beyond the network in which the engine of that name can measure a case, one pair at a time."""
    least = PASS * memory.activations(case)
    if engine == "replay" and isinstance(case.model, fx.GraphModule):
        weights = sum(module.weight.nbytes for module in case.model.modules() if isinstance(module, _ConvNd))
        least = max(least, LAYOUT * memory.widest(case)) + COPIES * weights
    return memory.BESIDES + least
