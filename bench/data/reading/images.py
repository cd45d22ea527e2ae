"""Reads images from files: decoded in parallel, resized and cropped by torchvision's v2 transforms, normalised."""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from pruning_oracle.bench.data.reading.decoded import Decoded
from pruning_oracle.bench.data.reading.files import Files
from pruning_oracle.bench.errors import BadInput

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # those of torchvision's ImageFolder
FORMATS = ("JPEG", "MPO", "PNG", "PPM", "BMP", "DIB", "TIFF", "WEBP", "GIF")  # others run programs to be decoded
MOST_PIXELS, MOST_SLENDER = 89_478_485, 100  # the first is PIL's; an image is scaled by its shorter side
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, 0 to 1


@dataclass(frozen=True)
class View:
    """How an image is prepared for a network.

    The shorter side is scaled to `resize` pixels, a square of `crop` pixels is cut from the middle, and its colours, 0 to 1,
    are normalised by `mean` and `deviation`.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, ...] = MEAN
    deviation: tuple[float, ...] = DEVIATION
    interpolation: str = "bilinear"  # or bicubic

    def cut(self, image: Image.Image) -> UInt8[Tensor, "3 height width"]:
        """Scales an image and cuts out the square, without normalising it."""
        v2 = transforms()
        resize = v2.Resize(self.resize, interpolation=v2.InterpolationMode(self.interpolation), antialias=True)
        return v2.Compose([resize, v2.CenterCrop(self.crop), v2.PILToTensor()])(image)

    def normalise(self, square: UInt8[Tensor, "*more colour height width"]) -> Float[Tensor, "*more colour height width"]:
        """Turns the bytes of a square into normalised numbers around 0."""
        functional = transforms().functional
        return functional.normalize(functional.to_dtype(square, torch.float32, scale=True), self.mean, self.deviation)


def transforms() -> Any:
    """torchvision's v2 transforms, imported when first used: that takes a second, and the embedded cases do not need them."""
    from torchvision.transforms import v2  # noqa: PLC0415 (for the reason above)

    return v2


def decode_image(content: bytes) -> Image.Image:
    """Decodes an image to RGB, also if it is grey, CMYK, 16 bits deep, with a palette or transparent; of several its first.

    BadInput if it cannot be read. Warnings of the decoder are the caller's to silence (`quiet`).
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats()) as image:
            check_sides(*image.size)  # before its pixels are decoded
            image.load()
            if image.mode == "F":
                raise BadInput("floating-point pixels, of which nobody knows what is white")
            if image.mode.startswith("I"):  # 16 bits of grey, which PIL would cut at 255
                return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
            return image.convert("RGB")
    except BadInput:
        raise
    except Exception as error:  # PIL's readers raise many kinds for a damaged file
        reason = f"not a readable image, {type(error).__name__}" if content else "an empty file"
        raise BadInput(reason) from error


@functools.cache
def formats() -> tuple[str, ...]:
    """The formats of images that are read, of those that PIL knows here."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def check_sides(width: int, height: int) -> None:
    """Raises BadInput for sides that no photograph has, in pixels: a few bytes can claim more than any memory holds."""
    if min(width, height) < 1 or width * height > MOST_PIXELS or max(width, height) > MOST_SLENDER * min(width, height):
        limits = f"at most {MOST_PIXELS:,}, and one side at most {MOST_SLENDER} times the other"
        raise BadInput(f"{width} × {height} pixels, beyond what is read ({limits})")


def image_examples(files: Files, names: Sequence[str], labels: Sequence[int], view: View) -> Decoded:
    """A data set of the images called `names` in `files`, with their labels, as `view` shows them."""

    def cut(index: int) -> UInt8[Tensor, "3 height width"]:
        try:
            return view.cut(decode_image(files.read(names[index])))
        except BadInput as error:
            raise BadInput(f"{files.root / names[index]}: {error}") from error

    return Decoded(labels, cut, view.normalise)
