"""Every loader reads the real layout."""

import os

import numpy as np
import pytest
import small_sets
import torch
from PIL import Image
from small_sets import SCREEN, VIEW

from pruning_oracle.bench.data import (
    arrays,
    birds200,
    class_folders,
    digits,
    flowers102,
    imagenet,
    nvgesture,
    video_folders,
)
from pruning_oracle.bench.data.reading.data_folder import root
from pruning_oracle.bench.data.reading.decoded import DecodedCache
from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.data.reading.files import files
from pruning_oracle.bench.data.reading.images import SUFFIXES, View, decode_image
from pruning_oracle.bench.data.reading.splits import split_every
from pruning_oracle.bench.data.reading.videos import Screen, read_frames

pytestmark = pytest.mark.usefixtures("data_here")
REAL = root()
needs_data = pytest.mark.skipif(
    not (REAL / "flowers102").is_dir(), reason=f"no real data at DATA={os.environ.get('DATA', REAL)}"
)


def labelled(part, label_of=lambda label: label):
    """The labels of a part, after a look that every image has its label's shade."""
    assert isinstance(part, Examples)
    for image, label in part.__getitems__(list(range(len(part)))):
        assert image.dtype == torch.float32
        assert image.mean().item() == pytest.approx(small_sets.shade(label_of(int(label))) / 255, abs=0.02)
    assert [int(label) for _, label in (part[row] for row in range(len(part)))] == part.labels
    return part.labels


def test_birds_in_their_own_layout(tmp_path):
    small_sets.birds(tmp_path)
    parts = birds200.load(VIEW)
    assert labelled(parts.train) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert labelled(parts.test) == [0, 1, 2]
    assert parts.classes[2] == "003.Species_2"
    assert parts.train[0][0].shape == (3, 12, 12)
    assert parts.validation is None


def test_flowers_in_torchvisions_layout(tmp_path):
    small_sets.flowers(tmp_path)
    parts = flowers102.load(VIEW)
    assert labelled(parts.train) == list(range(102)), "training and validation images train, as in the paper"
    assert labelled(parts.test) == list(range(102))


@pytest.mark.parametrize("archived", [False, True])
def test_flowers_in_class_folders_are_numbered_not_sorted_by_name(tmp_path, archived):
    folder = small_sets.flower_folders(tmp_path / ("made" if archived else "flowers102"))
    if archived:
        small_sets.pack(folder / "flowers", tmp_path / "flowers102" / "images.tar", "flowers")
    parts = flowers102.load(VIEW)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [102, 102, 102]
    for part in (parts.train, parts.validation, parts.test):
        assert sorted(labelled(part)) == list(range(102))


def test_imagenet_folders_and_the_sample(tmp_path):
    small_sets.imagenet(tmp_path)
    parts = imagenet.load(VIEW)
    assert parts.train.labels == parts.test.labels == list(range(1000))
    assert parts.train[999][0].mean().item() == pytest.approx(small_sets.shade(999) / 255, abs=0.02)
    small_sets.sample(tmp_path)
    assert labelled(imagenet.sample(VIEW).train) == list(range(0, 1000, 100))


@pytest.mark.parametrize("split", [True, False])
def test_class_folders(tmp_path, split):
    for part in ("train", "val") if split else ("",):
        small_sets.classes(tmp_path / "set" / part, ["b", "a"], each=6)
    parts = class_folders.image_folders("set", tmp_path / "set", VIEW)
    assert parts.classes == ("a", "b")
    assert labelled(parts.train, lambda label: 1 - label) == ([0] * 6 + [1] * 6 if split else [0] * 5 + [1] * 5)
    assert labelled(parts.test, lambda label: 1 - label) == ([0] * 6 + [1] * 6 if split else [0, 1])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "CMYK", "P", "1", "I;16"])
def test_every_kind_of_image_is_read(tmp_path, mode):
    file = tmp_path / f"image{'.jpg' if mode == 'CMYK' else '.png'}"
    if mode == "I;16":
        Image.fromarray(np.full((8, 8), 204 * 257, np.uint16)).save(file)
    else:
        Image.new("L", (8, 8), 204 if mode != "1" else 255).convert("RGB" if mode in {"P", "CMYK"} else "L").convert(mode).save(
            file
        )
    image = decode_image(file.read_bytes())
    assert image.mode == "RGB"
    assert image.getpixel((4, 4)) == pytest.approx((255,) * 3 if mode == "1" else (204,) * 3, abs=3)


def test_the_view_is_torchvisions_own():
    """The preset that torchvision's ImageNet weights were tested with."""
    from torchvision.models import AlexNet_Weights  # noqa: PLC0415

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    ours = View().normalise(View().cut(noise))
    assert torch.allclose(ours, AlexNet_Weights.DEFAULT.transforms()(noise), atol=1e-6)


def test_gestures_in_their_own_layout(tmp_path, capsys):
    small_sets.gestures(tmp_path)
    for sensor, screen, colours in (("depth", SCREEN, 1), ("color", Screen(16, 24, 20, 3, (0.5,) * 3, (0.5,) * 3), 3)):
        parts = nvgesture.load(sensor, screen)
        assert (parts.train.labels, parts.test.labels) == ([0, 0, 1, 1], [0, 1])
        assert parts.train[0][0].shape == (colours, 16, 20, 20)
        assert (
            parts.left_out
            == "nvGesture: 1 of 7 left out (Video_data/class_25/subject13_r0/sk_" + sensor + ".avi 4:20: missing)"
        )
        assert parts.left_out in capsys.readouterr().err
    parts = nvgesture.takes("depth", SCREEN)
    assert (parts.train.labels, parts.test.labels) == ([0, 1], [0, 1, 0, 1])


def test_the_window_is_the_annotated_one(tmp_path):
    """Frame n has brightness 10 n in its right half."""
    path = small_sets.video(tmp_path / "v.avi", 0)
    shown = read_frames(path, (4, 20), Screen(16, 48, 48)).float()[:, 20, 40, 0]
    assert shown.tolist() == pytest.approx([10 * place for place in range(4, 20)], abs=6)
    every_second = read_frames(path, (4, 20), Screen(8, 48, 48)).float()[:, 20, 40, 0]
    assert every_second.tolist() == pytest.approx([10 * place for place in range(5, 20, 2)], abs=6)
    whole = read_frames(path, None, Screen(12, 48, 48)).float()[:, 20, 40, 0]
    assert whole.tolist() == pytest.approx([10 * place for place in range(1, 24, 2)], abs=6)


def test_several_videos_at_once_are_those_one_by_one(tmp_path):
    small_sets.gestures(tmp_path, absent=False)
    data = nvgesture.load("depth", SCREEN).train
    together = nvgesture.load("depth", SCREEN).train.__getitems__([3, 0, 2])
    for (several, label), row in zip(together, [3, 0, 2], strict=True):
        assert torch.equal(several, data[row][0])
        assert int(label) == data.labels[row]


def test_video_folders(tmp_path):
    for split in ("train", "test"):
        for label, name in enumerate(["push", "wave"]):
            small_sets.video(tmp_path / "films" / split / name / "1.avi", label)
    parts = video_folders.load("films", tmp_path / "films", SCREEN)
    assert (parts.classes, parts.train.labels, parts.test.labels) == (("push", "wave"), [0, 1], [0, 1])
    assert parts.train[1][0].shape == (1, 16, 20, 20)


@pytest.mark.parametrize("kind", ["uint8", "uint8 grey", "float"])
def test_arrays(tmp_path, kind):
    x = {
        "uint8": np.full((10, 6, 5, 3), 255, np.uint8),
        "uint8 grey": np.full((10, 6, 5), 255, np.uint8),
        "float": np.ones((10, 2, 6, 5)),
    }[kind]
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(10) % 2)
    parts = arrays.load(tmp_path / "a.npz")
    assert (len(parts.train), len(parts.test), parts.classes) == (8, 2, ("0", "1"))
    shape, value = {"uint8": ((3, 6, 5), (1 - 0.485) / 0.229), "uint8 grey": ((1, 6, 5), 1), "float": ((2, 6, 5), 1)}[kind]
    assert parts.train[0][0].shape == shape
    assert parts.train[0][0][0, 0, 0].item() == pytest.approx(value)
    np.savez(tmp_path / "b.npz", x=x, y=np.arange(10) % 2, x_test=x[:4], y_test=np.arange(4) % 2)
    assert len(arrays.load(tmp_path / "b.npz").test) == 4


def test_examples_are_kept_while_there_is_room():
    made = []
    kept = DecodedCache(lambda index: made.append(index) or torch.full((4,), index, dtype=torch.uint8), room=8)
    for index in (0, 1, 2, 0, 1, 2):
        assert kept[index].tolist() == [index] * 4
    assert made == [0, 1, 2, 2]


def test_every_fifth_of_each_class():
    assert split_every([0, 1, 0, 1, 0, 0, 0], 5) == ([0, 1, 2, 3, 4, 5], [6])


@needs_data
def test_the_real_flowers(monkeypatch):
    monkeypatch.setenv("DATA", str(REAL))
    found = files(REAL / "flowers102" / "images_128px.tar", SUFFIXES).where("train")
    counts = {folder: len(found.under(folder).places) for folder in found.folders()}
    assert counts == {"test": 819, "train": 6552, "valid": 818}
    name = next(iter(found.places))
    assert min(decode_image(found.read(name)).size) == 128


@needs_data
def test_the_real_gestures(monkeypatch):
    monkeypatch.setenv("DATA", str(REAL))
    clips = {split: nvgesture._listed(split, "depth") for split in nvgesture.LISTS}
    assert {split: len(part) for split, part in clips.items()} == {"train": 50, "test": 50}
    assert {split: sum(clip.path.is_file() for clip in part) for split, part in clips.items()} == {"train": 50, "test": 0}
    pytest.importorskip("av")
    clip = clips["train"][0]
    assert read_frames(clip.path, clip.window, nvgesture.DEPTH).shape == (80, 112, 112, 1)


def test_digits_are_scikit_learns():
    datasets, selection = pytest.importorskip("sklearn.datasets"), pytest.importorskip("sklearn.model_selection")
    known = datasets.load_digits()
    chosen = selection.train_test_split(range(len(known.target)), test_size=360, stratify=known.target, random_state=0)
    for rows, data in zip(chosen, digits.load(), strict=True):
        assert data.tensors[1].tolist() == known.target[rows].tolist()
        small = torch.tensor(known.images[rows], dtype=torch.float32)[:, None]
        images = torch.nn.functional.interpolate(small / 8 - 1, size=(32, 32), mode="bilinear", align_corners=False)
        assert torch.equal(data.tensors[0], images)
