"""Writes small data sets in the exact layout of the real ones; the grey of every image tells its label."""

import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.data.reading.videos import Screen

SIZE = (40, 30)


def shade(label):
    """The grey value, 0 to 255, of a label's images; labels that differ by 6 share it."""
    return 20 + 40 * (label % 6)


def image(path, label, mode="RGB", **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", SIZE, shade(label)).convert(mode).save(path, **how)
    return path


def classes(folder, names, each=2, suffix=".jpg"):
    for label, name in enumerate(names):
        for number in range(each):
            image(folder / name / f"{number}{suffix}", label)
    return folder


def birds(root, species=3, each=4):
    folder = root / "CUB_200_2011"
    lines = {"images.txt": [], "image_class_labels.txt": [], "train_test_split.txt": [], "classes.txt": []}
    number = 0
    for label in range(species):
        lines["classes.txt"].append(f"{label + 1} {label + 1:03}.Species_{label}")
        for place in range(each):
            number += 1
            name = f"{label + 1:03}.Species_{label}/Species_{label}_{place:04}.jpg"
            image(folder / "images" / name, label)
            lines["images.txt"].append(f"{number} {name}")
            lines["image_class_labels.txt"].append(f"{number} {label + 1}")
            lines["train_test_split.txt"].append(f"{number} {int(place < each - 1)}")
    for file, text in lines.items():
        (folder / file).write_text("\n".join(text) + "\n")
    return folder


def flowers(root, count=204):
    """Flowers-102 in torchvision's layout: image n, from 1, shows flower 1 + k, with the grey of label k = (n − 1) mod 102."""
    folder = root / "flowers-102"
    labels = [1 + number % 102 for number in range(count)]
    for number, label in enumerate(labels, 1):
        image(folder / "jpg" / f"image_{number:05}.jpg", label - 1)
    savemat(folder / "imagelabels.mat", {"labels": np.array([labels], dtype=np.uint8)})
    numbers = np.arange(1, count + 1, dtype=np.uint16)
    parts = {"trnid": numbers[None, :50], "valid": numbers[None, 50:102], "tstid": numbers[None, 102:]}
    savemat(folder / "setid.mat", parts)
    return folder


def flower_folders(root):
    for split in ("train", "valid", "test"):
        for label in range(102):
            image(root / "flowers" / split / str(label + 1) / f"image_{label + 1:05}.jpg", label)
    return root


def pack(folder, archive, name):
    """Packs a folder into an uncompressed tar archive, in which it is called `name`."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, name)
    return archive


def imagenet(root, count=1000):
    for label in range(count):
        for split, number in (("train", 1), ("val", 2)):
            image(root / "imagenet" / split / f"n{label:08}" / f"n{label:08}_{number}.JPEG", label)
    return root / "imagenet"


def sample(root, labels=range(0, 1000, 100)):
    for label in labels:
        image(root / "imagenet_sample" / f"{label:04}_n0{label:07}_thing.JPEG", label)
    return root / "imagenet_sample"


def video(path, label, frames=24, size=(64, 48)):
    """Writes a video: the left half of each frame has the label's grey, the right half of frame n is 10 n, at most 250."""
    av = pytest.importorskip("av")  # PyAV is optional
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *size, "yuv420p", 4_000_000
        for place in range(frames):
            picture = np.full((size[1], size[0], 3), min(10 * place, 250), np.uint8)
            picture[:, : size[0] // 2] = shade(label)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def gestures(root, window=(4, 20), labels=(1, 2), absent=True):
    """The NVGesture layout: takes 0 and 1 of subject 3 train, take 0 of subject 13 tests.

    If `absent`, the test list also names a clip that does not exist.
    """
    folder = root / "nvgesture"
    lines = {"train": [], "test": []}
    for split, subject, takes in (("train", 3, 2), ("test", 13, 1)):
        for label in labels:
            for take in range(takes):
                place = f"Video_data/class_{label:02}/subject{subject}_r{take}"
                for sensor in ("sk_depth", "sk_color"):
                    video(folder / place / f"{sensor}.avi", label)
                first, end = window
                lines[split].append(
                    f"path:./{place} depth:sk_depth:{first}:{end} color:sk_color:{first}:{end} duo_left:d:1:9 label:{label} "
                )
    if absent:
        lines["test"].append("path:./Video_data/class_25/subject13_r0 depth:sk_depth:4:20 color:sk_color:4:20 label:25")
    for split, text in lines.items():
        (folder / f"nvgesture_{split}_correct_cvpr2016_v2.lst").write_text("\n".join(text))
    return folder


VIEW = View(16, 12, (0.0,) * 3, (1.0,) * 3)  # pixels stay between 0 and 1, so that a label's grey can be read off


SCREEN = Screen(frames=16, resize=24, crop=20)
