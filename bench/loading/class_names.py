"""What a case's classes are called: as its data set or its definition says."""

from collections.abc import Iterable
from typing import Any

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data.class_names import CLASS_NAMES
from pruning_oracle.bench.loading.load import find
from pruning_oracle.bench.terminal import one_line
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe

LONGEST = 100  # letters of a name


def class_names(case: Case) -> list[str] | None:
    """The name of every class, by its label; None where nothing says them.

    They are the attribute `classes` of the training data, as torchvision's data sets have it, or what the case's definition
    says (`@case(classes=…)`), or those of the data that its network was fine-tuned on, such as the names of class folders.
    """
    listed = _of_data(case.train)
    if listed is None and case.source:
        definition = find(case.source)
        listed = definition.classes
        if not listed and isinstance(definition.training, FineTuneRecipe):
            listed = definition.training.parts().classes
    if isinstance(listed, str):
        listed = CLASS_NAMES[listed]
    if not isinstance(listed, Iterable):
        return None
    return [one_line(str(name))[:LONGEST] for name in listed] or None


def _of_data(data: Any) -> Any:
    """The attribute `classes` of a data set, or of that which it is a part of; what is no list of names is none."""
    while data is not None:
        found = getattr(data, "classes", None)
        if isinstance(found, (list, tuple)):
            return found
        data = getattr(data, "dataset", None)
    return None
