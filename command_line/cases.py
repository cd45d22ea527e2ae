"""Commands about a case itself: show what it is, and train its network."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import CaseOptions
from pruning_oracle.command_line.options import OUTPUT, Device, number, option

PANEL = "Cases"


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    command(app, PANEL, "show vgg-digits", "show timm:resnet10t --weights mine.pt --data imagefolder:photos")(show)
    command(app, PANEL, "train squeezenet-flowers102 --epochs 5")(train)


def show(which: CaseOptions) -> Answer:
    """Show a case: its loss and accuracy, the sites where maps can be removed, what maps cost, and what is left out and why."""
    from pruning_oracle.bench.cutting.trial import prepared
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.bench.evaluation import evaluate
    from pruning_oracle.bench.scores import shown
    from pruning_oracle.bench.setting import network_facts

    case = which.load()
    facts: dict[str, Any] = {"case": case.name, "seed": case.seed}
    for label, data in (("training", case.train), ("test", case.test)):
        loss, share = evaluate(case, data, range(len(data)))
        facts[label] = {"examples": len(data), "accuracy": share, "loss": loss}
        told(f"{label:9} {len(data):6} examples  accuracy {shown(share, '7.2%')}  loss {loss:.4f} nats")
    facts |= network_facts(case)
    told(f"{facts['mflops']:.2f} MFLOPs per example, {facts['parameters']:,} parameters")
    told(f"{len(case.sites)} sites, {sum(site.maps for site in case.sites)} maps")
    told(f"  {'MFLOPs per map:':52} to make it  saved by deleting it")
    for site in facts["sites"]:
        more = f"  with {', '.join(site['convolutions'][1:])}" if len(site["convolutions"]) > 1 else ""
        told(f"  {site['name']:40} {site['maps']:5} maps {site['mflops']:11.4f} {site['saved_mflops']:21.4f}{more}")
    for out in case.left_out:
        told(f"  left out: {out.convolution}, {out.maps} maps: {out.reason}")
    try:
        facts["uncut"] = [dataclasses.asdict(out) for out in prepared(case).uncut]
        for out in facts["uncut"]:
            told(f"  pruning cannot delete: {out['convolution']}, {out['maps']} maps: {out['reason']}")
    except BadInput as error:
        facts["pruning"] = str(error)
        told(f"  pruning is not possible: {error}")
    return Answer(facts)


def train(
    which: CaseOptions,
    epochs: Annotated[
        int | None,
        number("--epochs", "EPOCHS", "How often every example is learnt from (default: the recipe's).", show_default=False),
    ] = None,
    rate: Annotated[
        float | None, number("--rate", "RATE", "Learning rate (default: the recipe's).", show_default=False)
    ] = None,
    batch: Annotated[
        int | None, number("--batch", "BATCH", "Examples per update (default: the recipe's).", show_default=False)
    ] = None,
    device: Device = "auto",
    out: Annotated[Path | None, option("Where the weights go (default: the case's own file).", OUTPUT)] = None,
) -> Answer:
    """Train a case's network by its recipe, whose numbers options override, and store the weights with their provenance."""
    from pruning_oracle.bench.device import choose_device
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.bench.loading.load import find
    from pruning_oracle.bench.training import train_and_save
    from pruning_oracle.bench.training.fine_tune import FineTuneRecipe

    definition = find(which.line)
    given = {"epochs": epochs, "rate": rate, "batch": batch}
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if definition.training is None:
        raise BadInput(f"{definition.name} has no training recipe: its weights were made by others")
    recipe = dataclasses.replace(definition.training, **changed)
    if isinstance(recipe, FineTuneRecipe):
        train_and_save.fine_tune_case(recipe, definition.name, which.seed, choose_device(device), out)
    else:
        train_and_save.train_case(recipe, definition.name, which.seed, out)
    return Answer({"case": definition.name, "seed": which.seed})
