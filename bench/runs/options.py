"""What every command's options have in common: numbers within bounds, and mistakes that end in one sentence."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.bounds import Bounds


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are BadInput."""

    def error(self, message: str) -> NoReturn:
        """Raises BadInput where argparse would print its usage and end the process."""
        raise BadInput(f"{message}; {self.prog} --help lists what is allowed")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses as argparse does, but for `--option=--`, which it takes for no value at all."""
        for word in sys.argv[1:] if args is None else args:
            if word.endswith("=--"):
                raise BadInput(f"{word[:-3]} is '--': that is no value; {self.prog} --help lists what is allowed")
        return super().parse_known_args(args, namespace)


def add_number(parser: Any, name: str, bounds: Bounds, text: str, **more: Any) -> None:
    """Adds an option with a number within bounds to an argument parser or a group of one; `text` is its help."""
    parser.add_argument(name, type=partial(bounds.read, name), help=text, metavar="N", **more)


def each_once(name: str, values: Sequence[Any]) -> None:
    """Raises BadInput if a value of the option `name` is given twice, which would count it twice."""
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise BadInput(f"{name} names {twice[0]!s:.40} twice; allowed is each once")
