"""The scale of the batch norm directly behind the convolutions that make a site's maps."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.network.layer_kinds import TRANSPOSED
from pruning_oracle.criteria.evidence.filters import filters
from pruning_oracle.criteria.evidence.source import source


def norms(case: Case) -> dict[nn.Module, nn.Module]:
    """For each convolution, the batch norm that alone reads it; empty for a network that is not traced."""
    found: dict[nn.Module, nn.Module] = {}
    if not isinstance(case.model, fx.GraphModule):
        return found
    modules = dict(case.model.named_modules())
    for node in case.model.graph.nodes:
        users = list(node.users)
        if node.op == "call_module" and len(users) == 1 and users[0].op == "call_module":
            norm = modules[users[0].target]
            if isinstance(norm, _BatchNorm) and norm.affine:
                found[modules[node.target]] = norm
    return found


def unfit(case: Case) -> str:
    """Names a site's convolution that no batch norm follows; empty if there is none."""
    known = norms(case)
    for site in case.sites:
        for name in site.convolutions:
            if case.model.get_submodule(name) not in known:
                return f"no batch norm follows {name}"
    return ""


@source(unfit=unfit)
def norm_scale(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "map convolution"]]:
    """γ of the batch norm behind each convolution of a map."""
    known = norms(case)

    def scale(module: nn.Module) -> Tensor:
        gamma = known[module].get_parameter("weight").detach()
        if not isinstance(module, TRANSPOSED):
            return gamma[:, None]
        return gamma.view(getattr(module, "groups"), -1)  # noqa: B009 (laid out as its weights are: [in, out / groups])

    return {site.name: filters(case.model, site, scale) for site in case.sites}
