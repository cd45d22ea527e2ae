"""A network of torchvision's or timm's by name with examples of one's own: a case like any other, and mistakes are named."""

import os

import numpy as np
import pytest
import small_sets
import torch
from commands import command
from PIL import Image

from pruning_oracle.bench import runs
from pruning_oracle.bench.data.reading import unreadable
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading import by_name
from pruning_oracle.bench.loading.case_line import case_line
from pruning_oracle.bench.loading.load import find, load
from pruning_oracle.bench.weights import published

timm = pytest.importorskip("timm")
pytestmark = pytest.mark.usefixtures("data_here")


def photos(folder, each=10, classes=("rose", "tulip")):
    """Noisy images, so that not all maps are zero on them."""
    random = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = random.integers(0, 120, (40, 48, 3), dtype=np.uint8) + np.uint8(100 * label)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def weights(file, classes=2):
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", num_classes=classes).state_dict(), file)
    return file


def test_one_line_is_a_case(tmp_path):
    line = f"timm:test_resnet --weights {weights(tmp_path / 'mine.pt')} --data imagefolder:{photos(tmp_path / 'My photos!')}"
    with pytest.raises(BadInput, match=r"'.*' is unknown"):
        find(line)
    line = line.replace(str(tmp_path / "My photos!"), f"'{tmp_path / 'My photos!'}'").replace("imagefolder:'", "'imagefolder:")
    case = load(f"{line} --size 32", 3)
    assert (case.name, case.seed, case.examples, len(case.train), len(case.test)) == ("test_resnet-My-photos", 3, 8, 16, 4)
    assert case.train[0][0].shape == (3, 32, 32)
    assert len(case.sites) > 3


def test_the_whole_report_of_a_users_photos(tmp_path):
    """The commands that `make compare NETWORK=… WEIGHTS=… DATASET=…` runs."""
    photos(tmp_path / "photos")
    (tmp_path / "photos" / "rose" / "3.png").write_bytes(b"no image")
    weights(tmp_path / "mine.pt")
    case = ["timm:test_resnet", "--weights", "mine.pt", "--data", "imagefolder:photos", "--size", "32"]
    name = "test_resnet-photos"
    strict = command("oracle", *case, "--strict", folder=tmp_path)
    assert strict.returncode == 2
    assert "photos: 1 of 20 cannot be used (rose/3.png: not a readable image, UnidentifiedImageError)" in strict.stderr
    stages = [
        ["oracle", *case, "--examples", "4"],
        ["criteria", " ".join(case), "--examples", "4", "--criteria", "taylor", "random"],
    ]
    for words in [*stages, ["reports", "grade", name], ["reports", "page", name, "--out", "out"]]:
        done = command(*words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "index.html").is_file()
    facts = runs.load(tmp_path / "runs" / name / "0" / "oracle.safetensors", "oracle").facts
    assert "photos: 1 of 20 left out (rose/3.png: not a readable image, UnidentifiedImageError)" in facts["why"]


def test_it_can_be_fine_tuned_here(tmp_path):
    photos(tmp_path / "photos")
    weights(tmp_path / "other.pt", classes=5)
    case = ["timm:test_resnet", "--data", "imagefolder:photos", "--size", "32"]
    without = command("bench", "show", *case, folder=tmp_path)
    assert without.returncode == 2
    assert (
        "no weights of test_resnet-photos for seed 0: give --weights FILE, or fine-tune it: pruning-oracle train"
        in without.stderr
    )
    assert command("bench", "train", *case, "--weights", "other.pt", "--epochs", "1", folder=tmp_path).returncode == 0
    shown = command("bench", "show", *case, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "MFLOPs per example" in shown.stdout


def test_arrays_and_videos(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((20, 32, 32, 3), np.uint8), y=np.arange(20) % 2)
    case = load(f"timm:test_resnet --weights {weights(tmp_path / 'mine.pt')} --data npz:{tmp_path / 'a.npz'} --name mine", 0)
    assert (case.name, case.train[0][0].shape) == ("mine", (3, 32, 32))
    for label, name in enumerate(["push", "wave"]):
        for number in range(5):
            small_sets.video(tmp_path / "films" / name / f"{number}.avi", label)
    recipe = find(f"torchvision:r3d_18 --data videofolder:{tmp_path / 'films'} --size 32").training
    assert recipe.parts().train[0][0].shape == (3, 16, 32, 32)


@pytest.mark.parametrize(
    ("line", "view"),
    [
        ("torchvision:alexnet", View(256, 224)),
        ("timm:test_resnet", View(168, 160, (0.5,) * 3, (0.5,) * 3)),
    ],
)
def test_images_are_shown_as_the_published_weights_were_tested(line, view):
    assert by_name._view(*line.split(":")) == view


MISTAKES = {
    "torchvision:resnet19 --data npz:a": "torchvision has no network 'resnet19'; some that it has: resnet18",
    "timm:resnet19 --data npz:a": "timm has no network 'resnet19'; some that it has: resnet",
    "torchvision:resnet18": "give its examples, --data imagefolder:PATH",
    "torchvision:resnet18 --data folder:a": "unknown kind of data 'folder:a': choose from imagefolder:PATH, npz:PATH, vid",
    "torchvision:resnet18 --data npz:a --wieghts b": "'--wieghts' is unknown",
    "torchvision:resnet18 --data npz:a --size big": "--size is 'big'; allowed are whole numbers from 1 to 4096",
    "torchvision:resnet18 --data npz:none.npz --weights none.pt": "no weights at none.pt",
    "torchvision:resnet18 --data 'npz:none.npz": "No closing quotation",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_are_named(line):
    with pytest.raises(BadInput) as error:
        load(line, 0)
    assert MISTAKES[line] in str(error.value)


def test_weights_for_other_classes_are_named(tmp_path):
    data = photos(tmp_path / "photos")
    line = f"timm:test_resnet --weights {weights(tmp_path / 'mine.pt', 5)} --data imagefolder:{data} --size 32"
    with pytest.raises(BadInput, match=r"mine.pt is for 5 classes \(.*\), but the data \(rose, tulip, …\) has 2"):
        load(line, 0)


def test_options_belong_to_networks_without_a_file(monkeypatch):
    with pytest.raises(BadInput, match="--weights is for torchvision:NAME and timm:NAME; 'vgg-digits' brings its own"):
        case_line("vgg-digits", data=None, weights="mine.pt", size=None, name=None)
    assert case_line("vgg-digits", data=None, weights=None) == "vgg-digits"
    monkeypatch.setenv("STRICT", "")
    unreadable.be_strict()
    assert os.environ["STRICT"] == "1"


def test_networks_without_the_first_recipe_have_weights_too():
    assert published.torchvision_weights("r3d_18").url.endswith(".pth")
    assert published.torchvision_weights("resnet50") is published.torchvision_models().ResNet50_Weights.IMAGENET1K_V1
