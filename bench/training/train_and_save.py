"""Runs a whole training and stores the weights with their provenance, and the learning curve of a fine-tuning."""

import time
from pathlib import Path
from typing import Any

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.device import device_name
from pruning_oracle.bench.evaluation import evaluate_network
from pruning_oracle.bench.runs.code_digest import depends_on
from pruning_oracle.bench.training.checkpoint import CheckpointFile
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe, fine_tune, held_out
from pruning_oracle.bench.training.from_scratch import ScratchRecipe, train_from_scratch
from pruning_oracle.bench.weights import shipped
from pruning_oracle.bench.weights.state_dict import arrays as arrays_of
from pruning_oracle.bench.weights.trained import path

WEIGHTS = runs.run_file("weights")


def train_case(recipe: ScratchRecipe, case: str, seed: int, out: Path | None) -> None:
    """Trains a case's network from random weights and stores its weights in `out` (None: where the case looks for them)."""
    file = out or shipped.path_to_write(case, seed)
    runs.check_writable(file, WEIGHTS)
    start = time.perf_counter()
    model = train_from_scratch(recipe, seed, f"{case} seed {seed}")
    seconds = round(time.perf_counter() - start, 1)
    accuracy = evaluate_network(model, recipe.test(), 64, torch.device("cpu"))[1]
    facts = {"case": case, "seed": seed, "accuracy": accuracy, "seconds": seconds, **runs.provenance()}
    shipped.save(model, file, facts)
    print(f"{case} seed {seed}: {accuracy:.2%} on held-out examples after {seconds:.0f} s, weights in {file}")


def fine_tune_case(recipe: FineTuneRecipe, case: str, seed: int, device: torch.device, out: Path | None) -> None:
    """Fine-tunes a case's network and stores its weights in `out` (None: where the case looks for them).

    The learning curve goes into a file beside the weights. The test set is used once, at the end.
    """
    file = out or path(case, seed)
    learnt_by = runs.beside(file, ".curve")
    runs.check_writable(file, WEIGHTS)
    runs.check_writable(learnt_by, runs.run_file("training"))
    parts = recipe.parts()
    learnt, validation = held_out(parts)
    counts = {"train": len(learnt), "validation": len(validation) if validation else 0, "test": len(parts.test)}
    facts: dict[str, Any] = {"case": case, "seed": seed, "settings": recipe.numbers, "classes": len(parts.classes)}
    facts |= {"examples": counts, "left_out": parts.left_out, "device": device_name(device), "threads": torch.get_num_threads()}
    code = depends_on(["bench/training/fine_tune.py"], without=())
    keeper = CheckpointFile(file, facts | code, device)
    model, progress = fine_tune(recipe, parts, seed, f"{case} seed {seed}", keeper)
    loss, accuracy = evaluate_network(model, parts.test, recipe.batch, device)
    seconds = round(sum(row["seconds"] for row in progress.curve), 1)
    facts |= {"accuracy": accuracy, "loss": loss, "seconds": seconds, "chosen": progress.chosen, "curve": progress.curve}
    tensors = arrays_of(model)
    runs.save(file, "weights", tensors, facts | runs.provenance())
    runs.save(learnt_by, "training", {}, facts | {"weights": runs.digest(tensors)} | runs.provenance())
    keeper.path.unlink(missing_ok=True)
    said = f"{accuracy:.2%} of the test after {seconds:.0f} s, as after epoch {progress.chosen} of {recipe.epochs}"
    print(f"{case} seed {seed}: {said}, weights in {file}")
