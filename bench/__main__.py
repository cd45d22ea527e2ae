"""`python -m pruning_oracle.bench show CASE` describes a case; `python -m pruning_oracle.bench train CASE` trains its model."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.trial import prepared
from pruning_oracle.bench.data.reading import unreadable
from pruning_oracle.bench.device import DEVICES, choose_device
from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading import by_name
from pruning_oracle.bench.loading.load import find, load
from pruning_oracle.bench.network import cost
from pruning_oracle.bench.runs.bounds import BATCH, EPOCHS, RATE, SEED
from pruning_oracle.bench.runs.options import Parser, add_number, check_used
from pruning_oracle.bench.scores import shown
from pruning_oracle.bench.terminal import one_line
from pruning_oracle.bench.training import train_and_save
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe


def train(given: argparse.Namespace) -> None:
    """Trains a case's model by its recipe, whose numbers options override, and stores the weights with their provenance."""
    definition = find(given.case)
    changed = {name: value for name in ("epochs", "rate", "batch") if (value := getattr(given, name)) is not None}
    if isinstance(definition.training, FineTuneRecipe):
        recipe = dataclasses.replace(definition.training, **changed)
        train_and_save.fine_tune_case(recipe, definition.name, given.seed, choose_device(given.device), given.out)
    elif definition.training is not None:
        train_and_save.train_case(dataclasses.replace(definition.training, **changed), definition.name, given.seed, given.out)
    else:
        raise BadInput(f"{definition.name} has no training recipe: its weights were made by others")


def show(name: str, seed: int) -> None:
    """Prints a case's loss and accuracy, the sites where its maps can be removed, and what the maps cost."""
    case = load(name, seed)
    for label, data in (("training", case.train), ("test", case.test)):
        count = len(data)
        loss, share = evaluate(case, data, range(count))
        print(f"{label:9} {count:6} examples  accuracy {shown(share, '7.2%')}  loss {loss:.4f} nats")
    whole, maps = cost.whole(case), cost.maps(case)
    print(f"{whole.flops / 1e6:.2f} MFLOPs per example, {whole.parameters:,} parameters")
    print(f"{len(case.sites)} sites, {sum(site.maps for site in case.sites)} maps")
    print(f"  {'MFLOPs per map:':52} to make it  saved by deleting it")
    for site in case.sites:
        more = one_line(f"  with {', '.join(site.convolutions[1:])}") if len(site.convolutions) > 1 else ""
        price = maps[site.name]
        print(f"  {one_line(site.name):40} {site.maps:5} maps {price.made / 1e6:11.4f} {price.saved / 1e6:21.4f}{more}")
    for out in case.left_out:
        print(one_line(f"  left out: {out.convolution}, {out.maps} maps: {out.reason}"))
    _show_uncut(case)


def _show_uncut(case: Case) -> None:
    """Prints which maps pruning cannot delete, though gates can remove them, and why."""
    try:
        for out in prepared(case).uncut:
            print(one_line(f"  pruning cannot delete: {out.convolution}, {out.maps} maps: {out.reason}"))
    except BadInput as error:
        print(f"  pruning is not possible: {error}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; `arguments` default to those of the command line."""
    parser = Parser(prog="python -m pruning_oracle.bench", description=__doc__)
    parser.add_argument("what", choices=["show", "train"])
    parser.add_argument("case", help="a case's name, a .py file that holds an @case, torchvision:NAME or timm:NAME")
    add_number(parser, "--seed", SEED, "which trained network (default 0)", default=0)
    parser.add_argument("--out", type=Path, help="train: where the weights go (default: the case's own file)")
    unreadable.add_strict_option(parser)
    by_name.add_options(parser)
    tuning = parser.add_argument_group("train (default: the recipe of the case)")
    add_number(tuning, "--epochs", EPOCHS, "how often every example is learnt from")
    add_number(tuning, "--rate", RATE, "learning rate")
    add_number(tuning, "--batch", BATCH, "examples per update")
    tuning.add_argument("--device", default="auto", help=DEVICES)
    given = parser.parse_args(arguments)
    check_used(parser, given, dict.fromkeys(("out", "epochs", "rate", "batch", "device"), ("train",)))
    unreadable.apply_strict_option(given)
    given.case = by_name.case_line(given)
    if given.what == "train":
        train(given)
    else:
        show(given.case, given.seed)


if __name__ == "__main__":
    exit_with(main)
