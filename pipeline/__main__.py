"""What the Makefile calls: its targets and variables as a command line of `pruning-oracle`. An empty value was not given."""

import importlib
from collections.abc import Sequence

from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.runs.options import Parser
from pruning_oracle.pipeline.processes import SUITE
from pruning_oracle.pipeline.run import EMBEDDED

LIBRARY = ("weights", "size", "name")  # variables of a network without a file of its own, beside DATASET
COMMANDS = {  # of a target: the command, with words of its own
    "oracle": ("oracles",),
    "compare": ("compare",),
    "report": ("compare", "--no-table"),
    "regress": ("regress",),
    "regress-accept": ("accept",),
    "sets": ("sets-study",),
    "prune": ("pruning-study",),
    "prune-more": ("pruning-study", "--more"),
    "prune-timings": ("pruning-study", "--timings"),
    "train": ("train",),
}
VARIABLES = ("cases", "seeds", "criteria", "device", "budget", "until", "network", "dataset", *LIBRARY, "reason", "jobs")
OF_MEASURING = ("criteria", "budget", "until")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line, as the Makefile calls it."""
    parser = Parser(prog=f"python -m {SUITE}.pipeline", description=__doc__)
    parser.add_argument("target", choices=COMMANDS)
    for name in (*VARIABLES, "small", "strict"):
        parser.add_argument(f"--{name}", nargs="?", const="1", default="")
    given = vars(parser.parse_args(arguments))
    run = importlib.import_module(f"{SUITE}.command_line.app").main
    for words in command_lines(given.pop("target"), given):
        run(words)


def command_lines(target: str, given: dict[str, str]) -> list[list[str]]:
    """The command lines that make a target with these values of make's variables."""
    if given["small"] and target != "prune":
        raise BadInput(f"SMALL is for make prune alone, not for make {target}")
    command, seeds = list(COMMANDS[target]), list(dict.fromkeys((given["seeds"] or "0 1 2").split()))
    cases = _cases(given)
    more = [word for name in ("device", "jobs") if given[name] and target != "train" for word in (f"--{name}", given[name])]
    more += ["--strict"] if given["strict"] else []
    if target == "train":
        device = ["--device", given["device"]] if given["device"] else []
        return [[*command, *case, "--seed", seed, *device, *more] for case in cases for seed in seeds]
    if given["small"]:
        command, seeds = [*command, "--small"], seeds[:1]
    takes = ["reason"] if target == "regress-accept" else []
    takes += OF_MEASURING if target in {"compare", "report"} else OF_MEASURING[1:] if target == "oracle" else []
    takes += ["criteria"] if target.startswith("regress") else []
    values = [(f"--{name}", given[name].split() if name == "criteria" else [given[name]]) for name in takes if given[name]]
    words = [word for name, value in values for word in (name, *value)]
    if not given["network"]:
        return [[*command, *(case[0] for case in cases), "--seeds", *seeds, *words, *more]]
    return [[*command, *cases[0], "--seeds", *seeds, *words, *more]]


def _cases(given: dict[str, str]) -> list[list[str]]:
    """The words that name each case: a name or a file, or a network with its options."""
    if not given["network"]:
        for name in ("dataset", "weights"):  # the environment may hold a NAME or a SIZE of something else
            if given[name]:
                raise BadInput(
                    f"{name.upper()} is for NETWORK=torchvision:NAME or timm:NAME, which is not given; CASES bring their own"
                )
        names = (given["cases"] or " ".join(EMBEDDED)).split()
        if not names:
            raise BadInput(f"CASES is {given['cases']!r}: name at least one case")
        return [[name] for name in names]
    if not given["dataset"]:
        raise BadInput("NETWORK needs examples: DATASET=imagefolder:PATH, npz:PATH or videofolder:PATH")
    options = {"data": given["dataset"]} | {name: given[name] for name in LIBRARY}
    return [[given["network"], *(word for name, value in options.items() if value for word in (f"--{name}", value))]]


if __name__ == "__main__":
    exit_with(main)
