"""Repairs a network that was pruned before, given as a file: the file of the repaired one, with the loss before and after."""

import dataclasses
from typing import Any

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.surgery import Pruned, of_sites, uncut
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.repair.after_removal import after_removal, ready_for
from pruning_oracle.bench.repair.batch_norms import estimated_again
from pruning_oracle.bench.repair.names import BATCHNORM, BIAS, REPAIRS
from pruning_oracle.bench.repair.passes import spare_examples
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.bounds import EXAMPLES
from pruning_oracle.bench.weights import state_dict


def repaired_file(pruned: Pruned, whole: Case, file: RunFile, repair: str, examples: int) -> RunFile:
    """The file of a pruned network after a repair, as it would be read; its facts list the `repairs`, oldest first.

    `pruned` is the network of `file`, cut from `whole`. BadInput if the repair is none, or impossible here.
    """
    if not REPAIRS.get(repair):
        raise unknown("repair", repair, [name for name, parts in REPAIRS.items() if parts])
    EXAMPLES.check("examples", examples)
    facts = file.facts
    if BIAS in REPAIRS[repair]:
        _check_unlearnt(file)
    ready = ready_for(pruned.whole, repair)
    rows = spare_examples(whole, examples, facts["settings"].get("examples") or whole.examples)
    tested = range(min(facts["settings"].get("tested") or len(whole.test), len(whole.test)))
    done: list[dict[str, Any]] = []
    network, before = pruned.case, evaluate(pruned.case, whole.test, tested)[0]
    for part in REPAIRS[repair]:
        network = _biased(pruned, ready, rows) if part == BIAS else estimated_again(network, rows)
        after = evaluate(network, whole.test, tested)[0]
        done.append({"repair": part, "examples": examples, "loss_before": before, "loss_after": after})
        before = after
    arrays = state_dict.arrays(network.model)
    return dataclasses.replace(
        file, arrays=arrays, facts=facts | {"repairs": [*facts.get("repairs", []), *done]}, checksum=runs.digest(arrays)
    )


def _check_unlearnt(file: RunFile) -> None:
    """Raises BadInput where the biases of a network already make up for the removed maps: by learning, or by a repair."""
    facts = file.facts
    if facts["rows"][-1].get("updates"):
        raise BadInput(
            f"repair 'bias' is for a network that has learnt nothing since maps went, but {facts['case']} made"
            f" {facts['rows'][-1]['updates']} updates: repair it in between, prune(…, repair='bias')"
        )
    earlier = {part["repair"] for part in facts.get("repairs", [])} | set(REPAIRS.get(facts["settings"].get("repair"), ()))
    if earlier & {BIAS, BATCHNORM}:
        raise BadInput(f"repair 'bias' comes first, but {facts['case']} was repaired before: {', '.join(sorted(earlier))}")


def _biased(pruned: Pruned, ready: Case, rows: list[int]) -> Case:
    """The pruned network with the means of the maps that it lacks in its biases."""
    gone = {name: sorted(set(range(ready.site(name).maps)) - set(left)) for name, left in pruned.maps.items()}
    start = of_sites(uncut(ready), ready.sites)
    (_, removed), (_, biased) = after_removal(start, {name: maps for name, maps in gone.items() if maps}, BIAS, rows)
    ours, theirs = removed.case.model.state_dict(), pruned.case.model.state_dict()
    if not all(torch.allclose(ours[name], tensor) for name, tensor in theirs.items()):
        raise BadInput(f"{pruned.case.name}: the case given has other weights than the network that was pruned")
    return biased.case
