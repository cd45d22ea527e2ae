"""The pytest plugin: `pytest --pruning-oracle-criteria mine.py` tests the criteria of a file against baselines beside it.

Each function of the file that is marked @criterion becomes one test per embedded case, `mine.py::my_criterion[vgg-digits]`, and
`mine.py::baselines[vgg-digits]` fails if a baseline belongs to a criterion that the file no longer has. Without the option this
module only adds options to pytest, and imports nothing else.
"""

import pytest

from pruning_oracle.reports.pytest_plugin.options import OPTION, OPTIONS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options to pytest, in a group of their own."""
    group = parser.getgroup("pruning-oracle", "pruning criteria held to measured baselines")
    for name, (metavar, default, text) in OPTIONS.items():
        group.addoption(OPTION + name, metavar=metavar, default=default, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the hooks of `hooks.py` if a file of criteria is given."""
    if config.getoption(f"{OPTION}criteria") is not None:
        from pruning_oracle.reports.pytest_plugin import hooks  # noqa: PLC0415 (nothing is imported without the option)

        config.pluginmanager.register(hooks, "pruning-oracle-hooks")
