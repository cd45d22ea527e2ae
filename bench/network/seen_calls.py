"""Lets calls be seen that neither torch.fx nor torch's function mode sees: of layers, and of users' own functions."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as tree


@contextmanager
def in_eager_float32() -> Iterator[None]:
    """Makes `torch.autocast` do nothing inside the block, and runs as Python what `torch.compile` has compiled.

    The suite computes in the precision that it is told, and can see operations in Python only.
    """
    kind: Any = torch.autocast
    kept = kind.__enter__, kind.__exit__
    kind.__enter__, kind.__exit__ = (lambda self: self), (lambda self, *_: None)
    compiler = "torch._dynamo" in sys.modules  # it takes seconds to import, and nothing is compiled without it
    try:
        with torch.compiler.set_stance("force_eager") if compiler else nullcontext():
            yield
    finally:
        kind.__enter__, kind.__exit__ = kept


@contextmanager
def leaf_calls(called: Callable[..., Any], model: nn.Module, is_leaf: Callable[[nn.Module, str], bool]) -> Iterator[None]:
    """Calls `called(name, run, *args, **kwargs)` for leaf modules inside `model`; `run(*args, **kwargs)` is the call itself.

    Their `forward` is replaced, so that hooks, which run around it, are no part of the call.
    """
    leaves: list[tuple[str, Any]] = [(name, module) for name, module in model.named_modules() if name and is_leaf(module, name)]
    kept = [dict(module.__dict__) for _, module in leaves]
    try:
        for name, module in leaves:
            module.forward = partial(called, name, module.forward)
        yield
    finally:
        for (_, module), attributes in zip(leaves, kept, strict=True):
            module.__dict__.pop("forward")
            if "forward" in attributes:
                module.forward = attributes["forward"]


@contextmanager
def own_functions(called: Callable[..., Any]) -> Iterator[None]:
    """Calls `called(function, run, *args, **kwargs)` for users' subclasses of `torch.autograd.Function` and scripted functions.

    `run(*args, **kwargs)` is the call itself, and `function` what a graph can hold in its place.
    """
    functions: Any = torch.autograd.Function
    scripts: Any = torch.jit.ScriptFunction
    apply, scripted = functions.__dict__["apply"], scripts.__call__

    def own(owner: Any, run: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        leaves = tree.tree_leaves((args, kwargs))
        if any(callable(leaf) and not isinstance(leaf, fx.Proxy) for leaf in leaves):  # torch.utils.checkpoint: a call of calls
            return run(*args, **kwargs)
        return called(as_function(owner), run, *args, **kwargs)

    functions.apply = classmethod(lambda kind, *args, **kwargs: own(kind, apply.__get__(None, kind), args, kwargs))
    scripts.__call__ = lambda function, *args, **kwargs: own(function, partial(scripted, function), args, kwargs)
    try:
        yield
    finally:
        functions.apply, scripts.__call__ = apply, scripted


@functools.cache
def as_function(owner: Any) -> Callable[..., Any]:
    """A user's subclass of `torch.autograd.Function`, or scripted function, as a plain function, which torch.fx can hold."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(owner, "apply", owner)(*args, **kwargs)

    call.__name__ = call.__qualname__ = str(getattr(owner, "name", None) or owner.__name__)
    return call
