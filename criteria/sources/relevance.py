"""Layer-wise relevance propagation at the gates, by captum, with the ε rule (Bach et al. 2015; for pruning Yeom et al. 2021).

In a network whose only nonlinearity is ReLU, the ε rule gives gradient × activation (Ancona et al. 2018, arXiv:1711.06104),
with the gradient of the label's score, not of the loss.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, fx

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import are_class_scores
from pruning_oracle.criteria.evidence.passes import by_batch, differentiable
from pruning_oracle.criteria.evidence.source import source
from pruning_oracle.criteria.sources.attribution import attribution_per_map, captum_missing, gates_of, one_row
from pruning_oracle.criteria.sources.relevance_rules import prepared


def unfit(case: Case) -> str:
    """Why relevance has no meaning in a case, or captum cannot be asked for it; empty if it can."""
    if reason := captum_missing(case) or one_row(case):
        return reason
    if not isinstance(case.model, fx.GraphModule):
        return "it is not a traced network"
    batch = next(case.batches(case.train, [0], 1))
    with torch.no_grad():
        output = case.model(batch.inputs)
    if not are_class_scores(output, batch.labels):
        return "its output is no score per class, or its label no class"
    return "" if batch.inputs.is_floating_point() else "its inputs are whole numbers, which captum cannot differentiate by"


@source(unfit=unfit, most=64, holds=20.0, of_zeros=True)
def gate_relevance(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Relevance of a map for the score of the example's label, summed over positions; 64 examples at most."""
    return by_batch(case, rows, size, "relevance", lambda block, batch: relevances(case, batch))


def relevances(case: Case, batch: Batch) -> list[Float[Tensor, "example map"]]:
    """One batch's relevances, site by site; BadInput if there is no rule for a layer."""
    from captum.attr import LayerLRP  # noqa: PLC0415 (not needed by other criteria, and slow to import)

    assert isinstance(case.model, fx.GraphModule)
    model = prepared(case.model, batch.inputs[:1])
    gates = [gate for site in case.sites for gate in (model.get_submodule(name) for name in site.gates)]
    try:
        with differentiable(model):
            found = LayerLRP(model, gates).attribute(batch.inputs.clone().requires_grad_(), target=batch.labels.long())
    except (TypeError, AssertionError) as error:  # captum's way to say that it has no rule
        raise BadInput(f"captum: {str(error).splitlines()[0]}") from error
    parts, result = iter(found), []
    for site in case.sites:
        result.append(attribution_per_map(case, site, [next(parts) for _ in gates_of(case, site)]))
    return result
