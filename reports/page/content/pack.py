"""Packs the page's data into one checksummed block of text: facts as JSON, and columns as binary numbers.

The block is base64 of gzip of: the length of the JSON (uint32, little-endian), the JSON, and the columns one after another.
The bytes of a column are ordered by significance, all first bytes of its numbers, then all second ones: so they pack better.
"""

import base64
import gzip
import hashlib
import json
from typing import Any

import numpy as np

Columns = dict[str, np.ndarray]
KEPT = 16  # bits of a number's 23-bit mantissa: a relative error of 10⁻⁵


def pack(facts: dict[str, Any], columns: Columns) -> tuple[str, str]:
    """The block and its SHA-256, that of the packed bytes, as hexadecimal digits.

    Args:
        facts: whatever JSON can hold, and None for what is undefined.
        columns: arrays of numbers by name: floating point ones are stored as float32 with `KEPT` bits of mantissa, others as
            int32. Their names, types and shapes are given as the fact `columns`.
    """
    parts, described = list[bytes](), dict[str, Any]()
    for name, values in columns.items():
        column = _rounded(values) if np.issubdtype(values.dtype, np.floating) else values.astype("<i4")
        described[name] = {"type": column.dtype.kind, "shape": list(column.shape)}
        parts.append(column.reshape(-1, 1).view(np.uint8).reshape(-1, 4).T.tobytes())
    head = json.dumps(facts | {"columns": described}, ensure_ascii=False, allow_nan=False).encode()
    packed = gzip.compress(b"".join([len(head).to_bytes(4, "little"), head, *parts]), mtime=0)
    return base64.b64encode(packed).decode(), hashlib.sha256(packed).hexdigest()


def unpack(block: str) -> tuple[dict[str, Any], Columns]:
    """The facts, without that of the columns, and the columns of a block; the page's script does the same."""
    data = gzip.decompress(base64.b64decode(block))
    start = 4 + int.from_bytes(data[:4], "little")
    facts, columns = json.loads(data[4:start]), Columns()
    for name, about in facts.pop("columns").items():
        count = int(np.prod(about["shape"]))
        planes = np.frombuffer(data, np.uint8, 4 * count, start).reshape(4, count)
        columns[name] = np.ascontiguousarray(planes.T).view(f"<{about['type']}4").reshape(about["shape"])
        start += 4 * count
    return facts, columns


def _rounded(values: np.ndarray) -> np.ndarray:
    """Numbers as float32, rounded to so many bits of mantissa; what is not finite stays so."""
    single = np.ascontiguousarray(values, "<f4")
    bits = single.view("<u4")
    dropped = 23 - KEPT
    near = ((bits + np.uint32(1 << (dropped - 1))) >> np.uint32(dropped)) << np.uint32(dropped)
    return np.where(np.isfinite(single), near.view("<f4"), single)
