"""Checks that a target can be reached at all, from what is left of a network when as many maps as possible are deleted."""

from pruning_oracle.bench.cutting.check import check_outputs, comparison_batch
from pruning_oracle.bench.cutting.needed import by_site, may_go
from pruning_oracle.bench.cutting.surgery import Pruned, cut
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import cost
from pruning_oracle.bench.pruning_settings import Target


def check_reachable(target: Target, pruned: Pruned) -> None:
    """Raises BadInput for a target below what is left when as many maps as possible are deleted."""
    case = pruned.case
    every = [(site.name, index) for site in case.sites for index in reversed(range(site.maps))]
    gone = by_site(may_go(pruned.needed, every))
    least = cut(pruned, gone).case
    check_outputs(case, least, gone, comparison_batch(case))
    if target.quantity == "accuracy":
        return
    whole, small = cost.whole(case), cost.whole(least)
    sizes = {
        "maps": tuple(sum(site.maps for site in of.sites) for of in (case, least)),
        "flops": (whole.flops, small.flops),
        "parameters": (whole.parameters, small.parameters),
    }
    before, after = sizes[target.quantity]
    if after > target.least(before):
        raise BadInput(
            f"{case.name}: {target} cannot be reached: a site keeps at least one map, and with one at each"
            f" {target.quantity}={after / before:.4f} is left"
        )
