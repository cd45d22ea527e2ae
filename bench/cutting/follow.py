"""Finds the wiring of a traced network: forwards from the convolutions by labels, backwards by what only deleted numbers use.

Forwards, `map_following.py` labels every number with the map that it comes from. Backwards, a number that no map made (a
parameter per channel, a scale that a linear layer computes) carries a map if all that it reaches is that map's.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.claims import agreed, by_labels, map_of_each, open_to_claims, same
from pruning_oracle.bench.cutting.mixing import (
    axes_of_channels,
    computes_weights,
    convolves,
    groups_of,
    module_of,
    operand,
    transposes,
)
from pruning_oracle.bench.cutting.pairing import paired
from pruning_oracle.bench.cutting.run_node import run_node
from pruning_oracle.bench.cutting.wiring import Claims, Convolution, Wiring, along, first_names, line, tensors_of
from pruning_oracle.bench.network.coupling import MapLabels
from pruning_oracle.bench.network.flops import RECURRENT, input_matrices
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS
from pruning_oracle.bench.network.map_following import follow_maps
from pruning_oracle.bench.network.nan_probes import NONE
from pruning_oracle.bench.network.reading import Read
from pruning_oracle.bench.network.small_inputs import inputs_to_study

Values = Mapping[fx.Node, Any]


def wire_graph(case: Case) -> Wiring:
    """The wiring of a case whose network is a graph of operations."""
    model = copy.deepcopy(case.model).cpu().float()
    assert isinstance(model, fx.GraphModule)
    two = next(case.batches(case.train, range(2), 2)).inputs.cpu()
    two = two.float() if two.is_floating_point() else two
    return _Follower(case, *follow_maps(model, inputs_to_study(model, model, two))).wiring()


class _Follower:
    """Walks through a labelled graph, last operation first."""

    def __init__(self, case: Case, learned: MapLabels, reads: list[Read]) -> None:
        self.case, self.learned, self.model, self.values = case, learned, learned.model, learned.values
        self.names = first_names(self.model)
        self.claims = by_labels(case, learned)
        self.reading = axes_of_channels(learned, reads)
        self.wanted: dict[fx.Node, list[list[Claims]]] = defaultdict(list)  # node -> what each of its uses claims, by tensor
        self.uses: dict[str, list[Claims]] = defaultdict(list)  # parameter or buffer -> what each of its uses claims
        self.convolutions: dict[str, Convolution] = {}
        self.refused: dict[int, str] = {}

    def wiring(self) -> Wiring:
        """Everything that was found."""
        for node in next(iter(reversed(self.model.graph.nodes))).all_input_nodes:
            self._keep(node)
        for node in reversed(self.claims):
            self._complete(node)
            if node.op == "get_attr":
                self._claim_constant(node)
            elif node in self.reading:
                self._claim_weights(node, module_of(self.learned, node))
            else:
                self._pass_back(node, module_of(self.learned, node))
        tensors = {}
        for name, uses in self.uses.items():
            if all(same(uses[0], other) for other in uses[1:]) and (name not in self.convolutions or not any(uses)):
                tensors[name] = uses[0]
            else:
                self._refuse([claim for use in uses for claim in use], f"{name} holds it in one use and others in another")
        found = {name: claims for name, claims in tensors.items() if claims}
        hollow = {node: tree.tree_map_only(Tensor, _hollow, value) for node, value in self.values.items()}
        known = self.convolutions, self._gates(), hollow, self.claims, frozenset(self.reading), self.refused
        return Wiring(self.case.sites, self.model, found, *known)

    def _gates(self) -> dict[str, Tensor]:
        found = {}
        for node, claims in self.claims.items():
            module = module_of(self.learned, node)
            if isinstance(module, Gate):
                found[str(node.target)] = line(claims[0], module.axis, self.values[node].ndim, len(module.maps))
        return found

    def _refuse(self, claims: Claims, reason: str) -> None:
        for claim in claims:
            self.refused |= {number: reason for number in claim.unique().tolist() if number != NONE}

    def _keep(self, node: fx.Node) -> None:
        """Notes a use of an operation's result that claims none of it."""
        self.wanted[node].append([[] for _ in tree.tree_leaves(self.values[node])])

    def _complete(self, node: fx.Node) -> None:
        """Adds to the claims on an operation's result what all its uses agree upon."""
        uses = self.wanted.pop(node, [])
        for place, own in enumerate(self.claims[node]):
            new = agreed([use[place] for use in uses])
            own += [claim for claim in new if not any(torch.equal(claim, other) for other in own)]

    def _claim_constant(self, node: fx.Node) -> None:
        name = self.names.get(str(node.target))
        if name and self.claims[node][0]:
            self.uses[name].append(self.claims[node][0])

    def _pass_back(self, node: fx.Node, module: nn.Module | None) -> None:
        """Passes the claims on the result of an operation that mixes no maps back to its operands, parameters and buffers."""
        results = tree.tree_leaves(self.values[node])
        if not any(isinstance(leaf, Tensor) for leaf in results):
            return  # sizes do not depend on values
        owned = [map_of_each(claims, leaf) for claims, leaf in zip(self.claims[node], results, strict=True)]
        reached = any(owners is not None and bool((owners != NONE).any()) for owners in owned)
        settings = self._settings(node) if reached else []
        owned = owned * len(settings)
        for source in node.all_input_nodes:
            leaves = tree.tree_leaves(self.values[source])
            pairs = enumerate(zip(leaves, self.claims[source], strict=True))
            self.wanted[source].append(
                [
                    paired(self._with_operand(node, settings, source, place), leaf, owned)
                    if reached and open_to_claims(claims, leaf)
                    else []
                    for place, (leaf, claims) in pairs
                ]
            )
        for local, tensor in tensors_of(module).items() if module is not None and reached else ():
            if tensor.is_floating_point() and tensor.ndim:
                claims = paired(self._with_tensor(node, settings, local), tensor, owned)
                self.uses[self.names[f"{node.target}.{local}"]].append(claims)

    def _settings(self, node: fx.Node) -> list[Values]:
        """Values of an operation's operands: the network's, and their negatives, on which alone some slopes act."""
        negative = {source: tree.tree_map_only(Tensor, _negated, self.values[source]) for source in node.all_input_nodes}
        result = tree.tree_leaves(run_node(self.model, node, negative))
        defined = not any(isinstance(leaf, Tensor) and bool(leaf.isnan().any()) for leaf in result)
        return [self.values, negative] if defined else [self.values]

    def _with_operand(self, node: fx.Node, settings: list[Values], source: fx.Node, place: int) -> Callable[[Tensor], Any]:
        def run(probe: Tensor) -> Any:
            results = []
            for values in settings:
                leaves, spec = tree.tree_flatten(values[source])
                mixed = torch.where(probe.isnan(), probe, leaves[place])
                changed = tree.tree_unflatten([*leaves[:place], mixed, *leaves[place + 1 :]], spec)
                results.append(run_node(self.model, node, {**values, source: changed}))
            return results

        return run

    def _with_tensor(self, node: fx.Node, settings: list[Values], local: str) -> Callable[[Tensor], Any]:
        return lambda probe: [run_node(self.model, node, values, {local: probe}) for values in settings]

    def _claim_weights(self, node: fx.Node, module: Any) -> None:
        """The claims on the weights of an operation that mixes maps, by the maps that it reads and makes."""
        source: Any = node.args[0] if node.args else node.kwargs["input"]
        given, made = (tree.tree_leaves(self.values[of])[0] for of in (source, node))
        axis = self.reading[node] % given.ndim
        out = axis if convolves(module, node) else made.ndim - 1
        reads = line(self.claims[source][0], axis, given.ndim, given.shape[axis])
        makes = line(self.claims[node][0], out, made.ndim, made.shape[out])
        weights = () if module is not None else (operand(node, 1, "weight"), operand(node, 2, "bias"))
        for other in node.all_input_nodes:
            if other not in weights and other is not source:
                self._keep(other)
        others: list[Claims] = [[] for _ in tree.tree_leaves(self.values[source])[1:]]
        own = [along(reads, axis, given.ndim)] if bool((reads != NONE).any()) else []
        self.wanted[source].append([own, *others])  # what pads a channel goes with it
        if axis != 1 and convolves(module, node) and groups_of(self.values, node, module) > 1:
            self._refuse([reads, makes], f"{node.target} has groups of channels along axis {axis}")
        if computes_weights(module):
            self._refuse([reads, makes], f"{node.target} computes its weights")
        elif isinstance(module, RECURRENT):
            for local in input_matrices(module):
                self.uses[self.names[f"{node.target}.{local}"]].append([along(reads, 1, 2)])
        elif isinstance(module, nn.Linear):
            self.uses[self.names[f"{node.target}.weight"]].append([along(makes, 0, 2), along(reads, 1, 2)])
            if module.bias is not None:
                self.uses[self.names[f"{node.target}.bias"]].append([makes])
        elif isinstance(module, CONVOLUTIONS):
            bias = None if module.bias is None else self.names[f"{node.target}.bias"]
            self._claim_convolution(node, module, self.names[f"{node.target}.weight"], bias, reads, makes)
        else:
            self._claim_operands(node, reads, makes)

    def _claim_operands(self, node: fx.Node, reads: Tensor, makes: Tensor) -> None:
        """The claims on the weights of a convolution or linear layer that is called as a function."""
        every = [operand(node, 1, "weight"), operand(node, 2, "bias")]
        constant = [isinstance(of, fx.Node) and of.op == "get_attr" and str(of.target) in self.names for of in every]
        weight, bias = (self.names[str(of.target)] if held else None for of, held in zip(every, constant, strict=True))
        if convolves(None, node) and weight is not None and (bias is not None or every[1] is None):
            self._claim_convolution(node, None, weight, bias, reads, makes)
            return
        if transposes(None, node):
            self._refuse([reads, makes], f"{node} computes the weights of a transposed convolution")
        groups = groups_of(self.values, node, None)
        columns = reads.view(groups, -1).repeat_interleave(len(makes) // groups if groups > 1 else 1, 0)
        for of, claims in zip(every, ([along(makes, 0, 2), columns], [makes]), strict=True):
            if isinstance(of, fx.Node):
                beyond = (...,) + (None,) * (self.values[of].ndim - claims[0].ndim)
                self.wanted[of].append([[claim[beyond] for claim in claims]])

    def _claim_convolution(
        self, node: fx.Node, module: Any, weight: str, bias: str | None, reads: Tensor, makes: Tensor
    ) -> None:
        groups = groups_of(self.values, node, module)
        known = self.convolutions.get(weight)
        if known is None:
            transposed = transposes(module, node)
            known = self.convolutions[weight] = Convolution(weight, groups, transposed, reads.clone(), makes.clone())
        for own, other in ((known.inputs, reads), (known.outputs, makes)):  # of another call of the same layer
            differ = own != other
            self._refuse([own[differ], other[differ]], f"a channel of {weight} carries another map in another call")
            own[differ] = NONE
        known.calls.append(node)
        if bias is not None and bias not in known.biases:
            known.biases.append(bias)
        if module is not None and str(node.target) not in known.modules:
            known.modules.append(str(node.target))


def _negated(value: Tensor) -> Tensor:
    return -value if value.is_floating_point() else value


def _hollow(value: Tensor) -> Tensor:
    """A stand-in of a tensor's shape and type that takes no memory; whole numbers are kept, since operations need them."""
    return value.new_zeros(()).expand(value.shape) if value.is_floating_point() else value
