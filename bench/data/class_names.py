"""What the classes of the suite's own data sets are called, by the name of the set that a case gives as its `classes`.

A case names its set instead of importing this file: what classes are called changes no number.
"""

from pruning_oracle.bench.data import gestures

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "digits": tuple("0123456789"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "gestures": tuple(name for name, _, _ in gestures.GESTURES),
}
