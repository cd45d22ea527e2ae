"""The examples in the docstrings of everything that the package offers are run, and its functions have one."""

import doctest
import inspect

import pytest

import pruning_oracle
from pruning_oracle.criteria.criterion import discover

FUNCTIONS = [name for name in pruning_oracle.__all__ if inspect.isfunction(getattr(pruning_oracle, name))]


def examples_of(name):
    """The examples of a function or a class, and of its methods."""
    thing = getattr(pruning_oracle, name)
    if not isinstance(thing, type) and not inspect.isfunction(thing):
        return []
    found = doctest.DocTestFinder(exclude_empty=True).find(thing, name, module=inspect.getmodule(thing))
    return [test for test in found if test.examples]


WITH = [(name, test) for name in pruning_oracle.__all__ for test in examples_of(name)]


@pytest.mark.parametrize("test", [test for _, test in WITH], ids=[test.name for _, test in WITH])
def test_an_example_is_true(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pruning_oracle.criteria.criterion.CRITERIA", dict(discover()))  # what an example defines goes again
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    failed = runner.run(test, out=said.append).failed
    assert failed == 0, "".join(said)


def test_every_function_has_an_example():
    assert {name for name, _ in WITH} >= set(FUNCTIONS)
