"""A fine-tuning from start to end: the weights with their provenance, and beside them the learning curve for the report."""

from pathlib import Path
from typing import Any

import torch

from bench import embedded, runs
from bench.checkpoint import Keeper
from bench.command import describe
from bench.judging import judge
from bench.transfer import Transfer, apart, tune
from bench.transferred import path


def train(recipe: Transfer, case: str, seed: int, device: torch.device, out: Path | None) -> None:
    """Fine-tunes a case's network and stores its weights, and its learning curve beside them; the test set is used once."""
    file = out or path(case, seed)
    runs.check_writable(file)
    parts = recipe.parts()
    learnt, validation = apart(parts)
    counts = {"train": len(learnt), "validation": len(validation) if validation else 0, "test": len(parts.test)}
    facts: dict[str, Any] = {"case": case, "seed": seed, "settings": recipe.numbers, "classes": len(parts.classes)}
    facts |= {"examples": counts, "left_out": parts.left_out, "device": describe(device), "threads": torch.get_num_threads()}
    known = runs.provenance()
    keeper = Keeper(file.with_suffix(".state"), facts | {name: known[name] for name in ("commit", "versions")}, device)
    model, progress = tune(recipe, parts, seed, f"{case} seed {seed}", keeper)
    loss, accuracy = judge(model, parts.test, recipe.batch, device)
    seconds = round(sum(row["seconds"] for row in progress.curve), 1)
    facts |= {"accuracy": accuracy, "loss": loss, "seconds": seconds, "chosen": progress.chosen, "curve": progress.curve}
    arrays = embedded.arrays(model)
    runs.save(file, "weights", arrays, facts | runs.provenance())
    runs.save(file.with_suffix(".curve"), "training", {}, facts | {"weights": runs.digest(arrays)} | runs.provenance())
    keeper.path.unlink(missing_ok=True)
    said = f"{accuracy:.2%} of the test after {seconds:.0f} s, as after epoch {progress.chosen} of {recipe.epochs}"
    print(f"{case} seed {seed}: {said}, weights in {file}")
