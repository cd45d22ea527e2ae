"""`python -m bench show CASE` describes a case; `python -m bench train CASE` trains its model."""

import argparse
import dataclasses
import time
from pathlib import Path

import torch

from bench import chosen, cost, embedded, fine_tuning, runs
from bench.case import choose_device, find, load
from bench.data import unreadable
from bench.errors import BadInput, exit_with
from bench.evaluation import evaluate
from bench.judging import judge
from bench.training import Recipe, fit


def train(given: argparse.Namespace) -> None:
    """Trains a case's model by its recipe and stores the weights with their provenance."""
    definition = find(given.case)
    if definition.transfer is not None:
        changed = {name: value for name in ("epochs", "rate", "batch") if (value := getattr(given, name)) is not None}
        recipe = dataclasses.replace(definition.transfer, **changed)
        fine_tuning.train(recipe, definition.name, given.seed, choose_device(given.device), given.out)
    elif definition.recipe is not None:
        _from_nothing(definition.recipe, definition.name, given.seed, given.out)
    else:
        raise BadInput(f"{definition.name} has no training recipe: its weights were made by others")


def _from_nothing(recipe: Recipe, name: str, seed: int, out: Path | None) -> None:
    file = out or embedded.path(name, seed)
    runs.check_writable(file)
    start = time.perf_counter()
    model = fit(recipe, seed, f"{name} seed {seed}")
    seconds = round(time.perf_counter() - start, 1)
    held_out = judge(model, recipe.test(), 64, torch.device("cpu"))[1]
    facts = {"case": name, "seed": seed, "accuracy": held_out, "seconds": seconds, **runs.provenance()}
    embedded.save(model, file, facts)
    print(f"{name} seed {seed}: {held_out:.2%} on held-out examples after {seconds:.0f} s, weights in {file}")


def show(name: str, seed: int) -> None:
    """Prints how well the case's model does, which maps can be removed, and what they cost."""
    case = load(name, seed)
    for label, data in (("training", case.train), ("test", case.test)):
        count = len(data)
        loss, share = evaluate(case, data, range(count))
        print(f"{label:9} {count:6} examples  accuracy {share:7.2%}  loss {loss:.4f} nats")
    whole, maps = cost.whole(case), cost.maps(case)
    print(f"{whole.flops / 1e6:.2f} MFLOPs per example, {whole.parameters:,} parameters")
    print(f"{len(case.sites)} sites, {sum(site.maps for site in case.sites)} maps")
    print(f"  {'MFLOPs per map:':52} to make it  saved by deleting it")
    for site in case.sites:
        more = f"  with {', '.join(site.convolutions[1:])}" if len(site.convolutions) > 1 else ""
        price = maps[site.name]
        print(f"  {site.name:40} {site.maps:5} maps {price.made / 1e6:11.4f} {price.saved / 1e6:21.4f}{more}")
    for out in case.left_out:
        print(f"  left out: {out.convolution}, {out.maps} maps: {out.reason}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", choices=["show", "train"])
    parser.add_argument("case", help="a case's name, a .py file that holds an @case, torchvision:NAME or timm:NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="train: where the weights go (default: the case's own file)")
    unreadable.option(parser)
    chosen.options(parser)
    tuning = parser.add_argument_group("train, where the case is fine-tuned (default: its recipe's)")
    tuning.add_argument("--epochs", type=int)
    tuning.add_argument("--rate", type=float, help="learning rate")
    tuning.add_argument("--batch", type=int, help="examples per update")
    tuning.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    given = parser.parse_args()
    unreadable.obey(given)
    given.case = chosen.settled(given)
    if given.what == "train":
        train(given)
    else:
        show(given.case, given.seed)


if __name__ == "__main__":
    exit_with(main)
