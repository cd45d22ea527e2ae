"""On a device of its own, networks are fine-tuned, killed, gone on with and judged, in torch's mixed precision there."""

import pytest
import torch
from standin import DEVICE, DRIVER
from torch import nn
from torch.utils.data import TensorDataset

from pruning_oracle.bench.data.reading.splits import Splits
from pruning_oracle.bench.evaluation import evaluate_network
from pruning_oracle.bench.training.augmentation import crops
from pruning_oracle.bench.training.checkpoint import CheckpointFile
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe, fine_tune
from pruning_oracle.bench.training.from_scratch import unchanged


class Shades(TensorDataset):
    """Noisy grey squares whose brightness is their class."""

    def __init__(self, each, seed):
        self.labels = [label for label in range(3) for _ in range(each)]
        noise = torch.randn(len(self.labels), 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        labels = torch.tensor(self.labels)
        super().__init__(noise * 0.5 + labels.view(-1, 1, 1, 1) - 1.0, labels)


def parts():
    return Splits(Shades(12, 0), Shades(4, 1), Shades(4, 2), ("a", "b", "c"))


def build(classes):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


@pytest.mark.parametrize("augment", [crops, unchanged])
def test_fine_tuning_learns_on_the_device(tmp_path, augment):
    recipe = FineTuneRecipe(build=build, start=build, parts=parts, epochs=12, rate=0.05, batch=8, augment=augment)
    model, progress = fine_tune(recipe, parts(), 5, "there", CheckpointFile(tmp_path / "state", {"of": "a test"}, DEVICE, -1.0))
    assert next(model.parameters()).device == DEVICE
    assert progress.curve[-1]["loss"] < 0.8 * progress.curve[1]["loss"]
    before = DRIVER.waits
    loss, accuracy = evaluate_network(model, Shades(4, 2), 8, DEVICE)
    assert DRIVER.waits > before
    assert evaluate_network(model.cpu(), Shades(4, 2), 8, torch.device("cpu")) == pytest.approx((loss, accuracy), rel=1e-5)
    again = fine_tune(recipe, parts(), 5, "again", CheckpointFile(tmp_path / "state", {"of": "a test"}, DEVICE, -1.0))[1]
    assert [row["epoch"] for row in again.curve] == [row["epoch"] for row in progress.curve]
