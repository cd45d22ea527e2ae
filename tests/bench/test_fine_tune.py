"""Fine-tuning: a killed run ends as one that was not, validation chooses the epoch, the test is used once."""

import itertools
import math

import pytest
import small_sets
import torch
from torch import nn
from torch.utils.data import TensorDataset

from pruning_oracle.bench import runs
from pruning_oracle.bench.data import flowers102
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.data.reading.splits import Splits
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import evaluate_network
from pruning_oracle.bench.loading import fine_tuned
from pruning_oracle.bench.loading.load import find, load
from pruning_oracle.bench.registry import CASES
from pruning_oracle.bench.training import train_and_save
from pruning_oracle.bench.training.augmentation import crops, films
from pruning_oracle.bench.training.checkpoint import CheckpointFile, TrainingProgress
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe, fine_tune, held_out
from pruning_oracle.bench.training.from_scratch import ScratchRecipe, unchanged
from pruning_oracle.bench.weights import published, shipped, trained

pytestmark = pytest.mark.usefixtures("data_here")
CPU = torch.device("cpu")


class Shades(TensorDataset):
    """Noisy grey squares whose brightness is their class."""

    def __init__(self, each, seed, classes=3):
        self.labels = [label for label in range(classes) for _ in range(each)]
        noise = torch.randn(len(self.labels), 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        labels = torch.tensor(self.labels)
        super().__init__(noise * 0.5 + labels.view(-1, 1, 1, 1) - 1.0, labels)


def parts(validation=True):
    return Splits(Shades(12, 0), Shades(4, 1) if validation else None, Shades(4, 2), ("a", "b", "c"))


def build(classes):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout(0.2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes)
    )


def recipe(**changed):
    return FineTuneRecipe(**{"build": build, "start": build, "parts": parts, "epochs": 4, "rate": 0.05, "batch": 8} | changed)


def keeper(path, seconds=-1.0, setting=None):
    return CheckpointFile(path, setting or {"of": "a test"}, CPU, seconds)


class Killed(Exception):  # noqa: N818
    """What stops a run in a test."""


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("stop", [1, 3])
def test_a_killed_run_ends_as_one_that_was_not(tmp_path, monkeypatch, stop, adaptive):
    whole, known = fine_tune(recipe(adaptive=adaptive), parts(), 5, "whole", keeper(tmp_path / "whole"))
    saved = CheckpointFile.__call__

    def killed(self, progress, model, optimizer):
        saved(self, progress, model, optimizer)
        if progress.done == stop:
            raise Killed

    monkeypatch.setattr(CheckpointFile, "__call__", killed)
    with pytest.raises(Killed):
        fine_tune(recipe(adaptive=adaptive), parts(), 5, "killed", keeper(tmp_path / "state"))
    monkeypatch.undo()
    torch.manual_seed(99)
    again, found = fine_tune(recipe(adaptive=adaptive), parts(), 5, "again", keeper(tmp_path / "state"))
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in whole.state_dict().items())
    for one, other in itertools.zip_longest(known.curve, found.curve):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    different, _ = fine_tune(recipe(adaptive=adaptive), parts(), 6, "other", keeper(tmp_path / "other"))
    assert not torch.equal(different.state_dict()["0.weight"], whole.state_dict()["0.weight"])


def test_a_state_of_other_settings_is_not_used(tmp_path, capsys):
    fine_tune(recipe(epochs=2), parts(), 0, "first", keeper(tmp_path / "state"))
    _, found = fine_tune(recipe(epochs=1), parts(), 0, "second", keeper(tmp_path / "state", setting={"of": "another"}))
    assert found.done == 1
    assert "is of other settings or another version: it is kept, and not used" in capsys.readouterr().out


def test_it_learns_and_the_first_row_is_before(tmp_path):
    model, progress = fine_tune(recipe(epochs=30), parts(), 0, "test", keeper(tmp_path / "state", 1e9))
    assert [row["epoch"] for row in progress.curve] == list(range(31))
    assert progress.curve[0]["loss"] is None
    assert progress.curve[-1]["loss"] < 0.5 * progress.curve[1]["loss"]
    best = max(row["validation accuracy"] for row in progress.curve)
    assert evaluate_network(model, parts().validation, 8, CPU)[1] == best > 0.9
    assert not model.training


def test_the_network_is_that_of_the_best_epoch(tmp_path):
    """What is learnt here makes the validation worse, for its labels are others."""
    spoilt = Shades(4, 1)
    spoilt.tensors = (spoilt.tensors[0], (spoilt.tensors[1] + 1) % 3)
    data = Splits(Shades(12, 0), spoilt, Shades(4, 2), ("a", "b", "c"))
    model, progress = fine_tune(recipe(epochs=12), data, 0, "test", keeper(tmp_path / "state", 1e9))
    rates = [row["validation accuracy"] for row in progress.curve]
    assert rates[-1] < max(rates)
    assert evaluate_network(model, spoilt, 8, CPU)[1] == max(rates) == rates[progress.chosen]


def test_every_epoch_and_seed_has_an_order_and_crops_of_its_own(tmp_path):
    seeds = []

    def watched(inputs, generator):
        seeds.append(generator.initial_seed())
        return inputs

    for seed in (0, 1):
        fine_tune(recipe(epochs=2, augment=watched), parts(), seed, "test", keeper(tmp_path / str(seed), 1e9))
    assert len(set(seeds)) == 4


def test_the_best_epoch_by_validation_is_kept_then_that_of_less_loss():
    progress, model = TrainingProgress(), nn.Linear(1, 1)
    for epoch, judged in enumerate([(9.0, 0.5), (3.0, 0.7), (2.0, 0.7), (1.0, 0.6), (2.0, 0.7)]):
        model.weight.data.fill_(epoch)
        progress.note(epoch, model, 1.0, judged, 0.0)
    assert progress.chosen == 2
    assert progress.best["weight"].item() == 2
    progress.note(5, model, 1.0, None, 0.0)
    assert progress.chosen == 5


def test_what_chooses_the_epoch_is_not_learnt_from():
    learnt, held = held_out(parts(validation=False))
    assert (len(learnt), len(held)) == (33, 3)
    assert sorted(held.labels) == [0, 1, 2]
    assert held_out(parts())[1].labels == [0] * 4 + [1] * 4 + [2] * 4
    assert held_out(Splits(Shades(3, 0), None, Shades(3, 1), ("a", "b", "c")))[1] is None


def test_a_case_has_the_examples_that_were_learnt_from():
    case = fine_tuned.case_of_splits(build(3).eval(), parts(validation=False), examples=9, why="as told", probe=None)
    assert (len(case.train), len(case.test), case.why) == (33, 12, "as told")


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_rate_is_the_papers_or_falls_to_nothing(tmp_path, monkeypatch, adaptive):
    rates, made = [], FineTuneRecipe.optimizer

    def heard(self, model):
        optimizer = made(self, model)
        optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
        return optimizer

    monkeypatch.setattr(FineTuneRecipe, "optimizer", heard)
    fine_tune(recipe(adaptive=adaptive), parts(), 5, "rates", keeper(tmp_path / "state"))
    falling = [0.05 * (1 + math.cos(math.pi * update / 20)) / 2 for update in range(20)]  # 4 epochs of 36 in eights
    assert rates == pytest.approx(falling if adaptive else [0.05] * 20)


def test_a_rate_that_is_too_high_is_named(tmp_path):
    def start(classes):
        model = build(classes)
        list(model.parameters())[-1].data.fill_(1e38)
        list(model.parameters())[-2].data.fill_(1e38)
        return model

    with pytest.raises(
        BadInput, match=r"the loss became (nan|inf) in epoch 1: try a smaller --rate than 10; nothing was saved"
    ):
        fine_tune(recipe(rate=10.0, start=start, augment=unchanged), parts(), 0, "test", keeper(tmp_path / "state"))


def test_the_test_is_used_once_and_the_curve_is_kept(tmp_path, monkeypatch):
    used = []

    class Watched(Shades):
        def __getitem__(self, index):
            used.append(index)
            return super().__getitem__(index)

    test = Watched(4, 2)
    watched = recipe(parts=lambda: Splits(Shades(12, 0), Shades(4, 1), test, ("a", "b", "c")))
    monkeypatch.setattr(runs, "TRAINED", tmp_path / "trained")
    train_and_save.fine_tune_case(watched, "a-test", 3, CPU, None)
    assert sorted(used) == list(range(12))
    file = runs.load(tmp_path / "trained" / "a-test-3.safetensors", "weights")
    curve = runs.load(tmp_path / "trained" / "a-test-3.curve", "training")
    assert curve.facts["weights"] == runs.digest(file.arrays)
    assert file.facts["curve"] == curve.facts["curve"]
    assert file.facts["examples"] == {"train": 36, "validation": 12, "test": 12}
    assert file.facts["settings"]["momentum"] == 0.9
    assert 0 <= file.facts["accuracy"] <= 1
    assert {"commit", "versions", "processor", "when"} <= set(file.facts)
    assert sorted(path.suffix for path in (tmp_path / "trained").iterdir()) == [".curve", ".safetensors"]
    model = trained.restore(build(3), "a-test", 3)
    assert runs.digest(shipped.arrays(model)) == curve.facts["weights"]


def test_augmentation_follows_its_generator_and_leaves_torchs_alone():
    inputs = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    first, again, other = (crops(inputs, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == inputs.shape
    assert not torch.equal(first[0], inputs[0])
    ramps = crops(torch.linspace(0, 1, 16).expand(40, 3, 16, 16).clone(), torch.Generator().manual_seed(0))
    mirrored = int((ramps[..., 0] > ramps[..., -1]).all((1, 2)).sum())
    assert 10 < mirrored < 30
    assert (ramps.amax((1, 2, 3)) - ramps.amin((1, 2, 3)) < 0.95).any(), "a part, not the whole"


def test_films_are_moved_alike_in_every_frame_and_never_mirrored():
    ramp = torch.linspace(1, 2, 32).expand(8, 1, 5, 32, 32).clone()
    found = films(ramp, torch.Generator().manual_seed(0))
    assert found.shape == ramp.shape
    assert torch.allclose(found, found[:, :, :1].expand_as(found))
    middle = found[..., 6:26]  # what was moved in from outside is as dark as the darkest
    assert bool((middle.diff(dim=-1) >= -1e-5).all())
    assert len({round(float(film[0, 0, 16, 16]), 3) for film in found}) > 4


def test_films_are_played_at_another_pace_and_never_backwards():
    frames = torch.arange(80.0).view(1, 1, 80, 1, 1).expand(40, 1, 80, 8, 8).clone()
    times = films(frames, torch.Generator().manual_seed(0))[:, 0, :, 4, 4]
    assert bool((times.diff(dim=1) >= 0).all())
    paces, middles = (times[:, 50] - times[:, 30]) / 20, times[:, 40]
    assert (0.8 <= paces.min() < 0.9, 1.1 < paces.max() <= 1.2) == (True, True)
    assert (35 <= middles.min() < 38, 42 < middles.max() <= 45) == (True, True)


def test_the_papers_settings_are_the_defaults():
    for name in ("vgg16-birds200", "alexnet-birds200", "alexnet-flowers102"):
        known = find(name).training.numbers
        expected = (60, 1e-4) if "birds" in name else (20, 1e-3)
        assert (known["epochs"], known["rate"]) == expected
        assert (known["batch"], known["momentum"], known["weight_decay"], known["adaptive"]) == (32, 0.9, 1e-4, False)
    assert isinstance(CASES["vgg-digits"].training, ScratchRecipe)


def test_a_case_of_flowers_from_training_to_sites(tmp_path, monkeypatch):
    """squeezenet-flowers102 on small images in the real layout, with random weights in the place of ImageNet's."""
    small_sets.flowers(tmp_path)
    monkeypatch.setattr(runs, "TRAINED", tmp_path / "trained")
    with pytest.raises(
        BadInput, match=r"no fine-tuned weights for seed 0 at .*: run `make train CASES=squeezenet-flowers102 SEEDS=0`"
    ):
        load("squeezenet-flowers102", 0)
    torch.manual_seed(0)
    (tmp_path / "weights").mkdir()
    torch.save(published.untrained("squeezenet1_0", 1000).state_dict(), tmp_path / "weights" / "squeezenet1_0_imagenet.pt")
    small = fine_tuned.fine_tuned_images("squeezenet1_0", flowers102.load, View(64, 64), epochs=1, rate=1e-3)
    train_and_save.fine_tune_case(small, "squeezenet-flowers102", 0, CPU, None)
    case = load("squeezenet-flowers102", 0)
    assert (len(case.sites), sum(site.maps for site in case.sites)) == (25, 2976)
    assert [out.convolution for out in case.left_out] == ["classifier.1"]
    curve = runs.load(tmp_path / "trained" / "squeezenet-flowers102-0.curve", "training")
    assert curve.facts["weights"] == runs.digest(shipped.arrays(case.model)), "the report knows the curve by it"
    assert (len(case.train), len(case.test)) == (102, 102)
    assert not math.isnan(evaluate_network(case.model, case.test, 51, CPU)[0])
