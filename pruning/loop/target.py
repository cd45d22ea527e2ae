"""Checks that a target can be reached at all, from what is left of a network when every site keeps a single map."""

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import cost
from pruning_oracle.bench.pruning_settings import Target
from pruning_oracle.pruning.cutting.surgery import Pruned, check_outputs, comparison_batch, cut


def check_reachable(target: Target, pruned: Pruned) -> None:
    """Raises BadInput for a target below what is left when every site keeps one map, or if the network cannot be cut so."""
    case = pruned.case
    gone = {site.name: range(1, site.maps) for site in case.sites if site.maps > 1}
    least = cut(pruned, gone).case
    check_outputs(case, least, gone, comparison_batch(case))
    if target.quantity == "accuracy":
        return
    whole, small = cost.whole(case), cost.whole(least)
    sizes = {
        "maps": (sum(site.maps for site in case.sites), len(case.sites)),
        "flops": (whole.flops, small.flops),
        "parameters": (whole.parameters, small.parameters),
    }
    before, after = sizes[target.quantity]
    if after > target.least(before):
        raise BadInput(
            f"{case.name}: {target} cannot be reached: a site keeps at least one map, and with one at each"
            f" {target.quantity}={after / before:.4f} is left"
        )
