"""A network as its user had it: a copy without the gates that stand in it."""

import copy

from torch import fx, nn

from pruning_oracle.bench.network.gates import Gate


def without_gates(model: nn.Module) -> nn.Module:
    """A copy of a network that computes the same with every map kept, and in which no gate is left."""
    plain = copy.deepcopy(model)
    gates = {name for name, module in plain.named_modules() if isinstance(module, Gate)}
    if isinstance(plain, fx.GraphModule):
        for node in [node for node in plain.graph.nodes if node.op == "call_module" and node.target in gates]:
            node.replace_all_uses_with(node.args[0])
            plain.graph.erase_node(node)
            gates.discard(str(node.target))
        plain.recompile()
        plain.delete_all_unused_submodules()
    for name in gates & {name for name, _ in plain.named_modules()}:
        plain.set_submodule(name, nn.Identity())
    return plain
