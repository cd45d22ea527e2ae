"""A safetensors file piece by piece: an array is asked for when it is written, so that no two need be held at once."""

import json
from collections.abc import Iterator, Mapping

import numpy as np

# numpy's names of types, and the format's: https://github.com/huggingface/safetensors#format
TYPES = {f"{kind}{bits}": f"{letter}{bits}" for kind, letter in (("int", "I"), ("uint", "U")) for bits in (8, 16, 32, 64)}
TYPES |= {f"float{bits}": f"F{bits}" for bits in (16, 32, 64)} | {"bool": "BOOL"}


def safetensors_bytes(arrays: Mapping[str, np.ndarray], metadata: dict[str, str]) -> Iterator[bytes]:
    """The bytes of a safetensors file of these arrays, in pieces: its header, then each array, widest numbers first."""
    known = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    names = sorted(known, key=lambda name: (-known[name][0].itemsize, name))
    header: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for name in names:
        dtype, shape = known[name]
        start, end = end, end + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        header[name] = {"dtype": TYPES[dtype.name], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()  # as the library writes it, and as files are recognised
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        yield arrays[name].astype(known[name][0].newbyteorder("<"), order="C", copy=False).tobytes()
