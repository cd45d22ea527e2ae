"""Checks what a file of a pruned network, or of a pruning run's state, says before anything is built of it."""

import numpy as np

from pruning_oracle.bench.device import PRECISIONS
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.shapes import checked_facts

MAPS = {"maps": {...: [int]}}
REPAIR = {"repair": str, "examples": int, "loss_before": float, "loss_after": float}
NETWORK = MAPS | {"repairs?": [REPAIR]} | {"case": str, "seed": int, "precision": str, "settings": dict}
TOTALS = {"updates": int, "loss": float, "right": float, "examples": int, "seconds": float}
STEP = {"maps": int, "flops": float, "parameters": int, "sites": [int], "seconds": dict}
KEPT = MAPS | {"update": int, "scored": int, "rows": [STEP], "done": bool, "finished": bool, "why": str, "final": TOTALS}
STATE = KEPT | {"setting": dict, "good?": KEPT}


def checked_network(file: RunFile) -> RunFile:
    """Returns the file of a pruned network; BadInput if its facts are not what one holds, or its weights are not finite."""
    facts = checked_facts(file, NETWORK).facts
    if not 0 <= facts["seed"] < 2**32 or facts["precision"] not in PRECISIONS:
        raise BadInput(f"{file.path} is damaged: seed {facts['seed']}, precision {facts['precision']!r}")
    for name, array in file.arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise BadInput(f"{file.path} is damaged: {name} holds numbers that are not finite")
    return file
