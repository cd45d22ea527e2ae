"""Pictures of the examples that need a map most, and the names of classes, beside an oracle and in it."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Subset, TensorDataset
from toys import toy_case

import pruning_oracle as po
from pruning_oracle.bench import runs
from pruning_oracle.bench.data import gestures
from pruning_oracle.bench.loading.class_names import class_names
from pruning_oracle.bench.registry import Definition
from pruning_oracle.bench.runs import pictures
from pruning_oracle.oracle.pictures import FILM_SIDE, FRAMES, SIDE, drawn, frames_of


def examples(*inputs):
    return [(one, 0) for one in inputs]


def decoded(picture):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def classed(shape=(3, 8, 8), classes=("rose", "tulip"), count=40):
    """A case whose data set says what its classes are called."""
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(count, *shape), torch.arange(count) % 2)
    data.classes = classes
    return po.case(network(shape[0]), data, data, examples=9, name="classed")


def network(channels=3):
    layers = [nn.Conv2d(channels, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)]
    return nn.Sequential(*layers).eval()


def test_a_normalisation_is_undone():
    colours = torch.tensor([[255, 0, 128], [0, 255, 64], [30, 60, 90]]).float()
    shift, scale = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3])
    normalised = [((colour / 255 - shift) / scale)[:, None, None].expand(3, 16, 16) for colour in colours]
    extremes = torch.stack([normalised[0], normalised[1]]).amin(0), torch.stack([normalised[0], normalised[1]]).amax(0)
    found = drawn(examples(*normalised, *extremes), {number: number for number in range(3)})
    low, high = colours.amin(0), colours.amax(0)
    for number, colour in enumerate(colours):
        wanted = 255 * (colour - low) / (high - low)
        assert abs(decoded(found[number])[8, 8] - wanted.numpy()).max() < 12  # WebP is lossy


def test_large_images_are_made_small_and_small_ones_stay():
    assert frames_of(torch.rand(3, 200, 100)).shape == (1, SIDE, SIDE // 2, 3)
    assert frames_of(torch.rand(1, 8, 8)).shape == (1, 8, 8, 1)
    image = torch.zeros(1, 128, 128)
    image[:, :64] = 1
    np.testing.assert_array_equal(frames_of(image)[0, :, 0, 0], [1] * 32 + [0] * 32)


@pytest.mark.parametrize("shape", [(3, 10, 60, 60), (10, 3, 60, 60)])
def test_a_film_is_a_strip_of_frames_in_their_order(shape):
    film = torch.zeros(shape)
    for place in range(10):
        film.select(1 if shape[0] == 3 else 0, place)[:] = place
    assert frames_of(film)[:, 0, 0, 0].tolist() == [1, 3, 6, 8]
    strip = decoded(drawn(examples(film), {5: 0})[5])
    assert strip.shape == (FILM_SIDE, FRAMES * FILM_SIDE, 3)
    assert strip[20, FILM_SIDE // 2 :: FILM_SIDE, 0].tolist() == sorted(strip[20, FILM_SIDE // 2 :: FILM_SIDE, 0])


@pytest.mark.parametrize(
    "example",
    [
        torch.rand(5),
        torch.rand(4, 9, 9),
        torch.rand(1, 1, 100),
        torch.rand(3, 5, 300),
        torch.full((3, 9, 9), torch.nan),
        torch.zeros(1, 9, 9, dtype=torch.complex64),
        torch.rand(2, 4, 9, 9),
        torch.rand(0, 3, 9, 9),
        torch.rand(1, 2, 3, 4, 5),
        {"text": 1},
        np.zeros((3, 9, 9)),
    ],
)
def test_what_is_no_picture_is_none(example):
    assert frames_of(example) is None
    assert drawn(examples(example), {0: 0}) == {}


def test_whole_numbers_and_a_single_shade_are_pictures():
    assert decoded(drawn(examples(torch.full((3, 9, 9), 7, dtype=torch.uint8)), {0: 0})[0]).shape == (9, 9, 3)


def test_a_build_without_webp_shows_none(monkeypatch):
    monkeypatch.setattr(Image, "SAVE", {"PNG": None})
    assert drawn(examples(torch.rand(3, 9, 9)), {0: 0}) == {}


def test_pictures_lie_beside_the_oracle_and_are_of_the_examples_that_need_a_map_most(tmp_path):
    case, path = classed(), tmp_path / "oracle.safetensors"
    truth = po.measure(case, path=path, device="cpu")
    beside = tmp_path / pictures.FILE
    found = pictures.unpacked(runs.load(beside, pictures.KIND))
    change = truth.saliency("0")
    assert set(found) == set(np.argsort(-change, 0)[: pictures.NEEDED].ravel().tolist())
    for example, picture in found.items():
        image = case.train[int(truth.rows[example])][0].permute(1, 2, 0).numpy()
        assert np.corrcoef(image.mean(2).ravel(), decoded(picture).mean(2).ravel())[0, 1] > 0.7
    before = beside.stat().st_mtime_ns
    po.measure(case, path=path, device="cpu")
    assert beside.stat().st_mtime_ns == before  # up to date
    po.measure(case, path=path, examples=12, device="cpu")
    assert runs.load(beside, pictures.KIND).facts["oracle"] == runs.load(path, "oracle").checksum
    beside.unlink()
    po.measure(case, path=path, examples=12, device="cpu")  # pictures alone are made again
    assert beside.is_file()
    elsewhere = tmp_path / "elsewhere"
    po.measure(case, path=elsewhere / "mine.safetensors", device="cpu")
    assert not (elsewhere / pictures.FILE).exists()  # no file of a run


def test_inputs_that_are_no_pictures_change_nothing(tmp_path):
    case = toy_case("plain")  # two channels
    po.measure(case, path=tmp_path / "oracle.safetensors", precision="float64", device="cpu")
    assert pictures.unpacked(runs.load(tmp_path / pictures.FILE, pictures.KIND)) == {}
    assert class_names(case) is None


def test_an_oracle_says_what_its_classes_are_called_and_is_not_measured_again_when_that_changes(tmp_path):
    path = tmp_path / "oracle.safetensors"
    truth = po.measure(classed(), path=path, device="cpu")
    assert set(truth.by_class().name) == {"rose", "tulip"}
    before = runs.load(path, "oracle")
    after = po.measure(classed(classes=["a\nb", 5]), path=path, device="cpu").file
    assert after.facts["when"] == before.facts["when"]
    assert after.facts["class names"][1] == "5"
    assert after.facts["class names"][0].isprintable()
    assert "class names" not in po.measure(classed(classes=None), path=path, device="cpu").file.facts


def test_names_come_from_the_data_from_the_case_or_from_its_folders(tmp_path):
    assert class_names(po.load("vgg-digits")) == list("0123456789")
    assert class_names(po.load("r3dcnn-gestures")) == [name for name, _, _ in gestures.GESTURES]
    whole = classed().train
    part = po.case(network(), Subset(whole, range(20)), whole, examples=5)
    assert class_names(part) == ["rose", "tulip"]
    with pytest.raises(po.BadInput, match="unknown data set whose classes have names 'digit'"):
        Definition("toy", lambda seed: None, "a.py", classes="digit")
    for name in ("tulip", "rose"):
        for number in range(10):
            folder = tmp_path / "photos" / name
            folder.mkdir(parents=True, exist_ok=True)
            shade = 200 if name == "rose" else 50
            Image.new("RGB", (40, 40), (shade, number, 9)).save(folder / f"{number}.png")
    torch.manual_seed(0)
    from torchvision.models import squeezenet1_1  # noqa: PLC0415 (takes a second)

    torch.save(squeezenet1_1(num_classes=2).state_dict(), tmp_path / "mine.pt")
    data = f"imagefolder:{tmp_path / 'photos'}"
    case = po.load("torchvision:squeezenet1_1", data=data, weights=tmp_path / "mine.pt", size=40)
    assert class_names(case) == ["rose", "tulip"]
    assert len(drawn(case.train, {0: 0, 1: 1})) == 2


def test_single_examples_of_a_truth():
    truth = po.measure(classed(), device="cpu")
    table = truth.examples("0", 2)
    assert table.change.tolist() == sorted(truth.saliency("0")[:, 2], reverse=True)
    assert set(table.row) == set(truth.rows.tolist())
    with pytest.raises(po.BadInput, match="site '0' has no map 3: allowed are 0 to 2"):
        truth.examples("0", 3)
    with pytest.raises(po.BadInput, match="unknown site"):
        truth.examples("1", 0)
