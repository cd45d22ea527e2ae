"""The pruning runs of `make prune` and `make prune-more`, by folder, and how each differs from its case's settings."""

from collections.abc import Mapping

Changes = dict[str, str]  # option of the command, without dashes -> value; other options are the case's own

PRUNING, STILL, UPDATES, FAR = "pruning", "pruning-still", "pruning-updates", "pruning-far"  # folders under runs/CASE/SEED/
STILL_REPAIRED = {"bias": "pruning-still-bias", "batchnorm": "pruning-still-batchnorm"}  # by repair
WITH_BATCH_NORM = ("resnet-digits", "resnet20-cifar10", "resnet32-cifar10", "resnet44-cifar10", "resnet50-imagenet")

RANKINGS: dict[str, Changes] = {
    "taylor-flops": {"criterion": "taylor"},
    "taylor": {"criterion": "taylor", "flops-lambda": "0"},
    "activation": {"criterion": "activation_mean", "flops-lambda": "0"},
    "weight": {"criterion": "weight_l2", "flops-lambda": "0"},
    "random": {"criterion": "random", "flops-lambda": "0"},
    "oracle": {"criterion": "oracle_abs", "flops-lambda": "0", "examples": "64", "again": "2"},
}
SMALL = ("taylor-flops", "random")
WITHOUT_LEARNING = {"flops-lambda": "0", "updates": "0", "examples": "128", "final-updates": "0"}
STILL_RANKINGS: dict[str, Changes] = {
    "oracle-abs": {"criterion": "oracle_abs"} | WITHOUT_LEARNING,
    "oracle-loss": {"criterion": "oracle_loss"} | WITHOUT_LEARNING,
    "taylor": {"criterion": "taylor"} | WITHOUT_LEARNING,
    "random": {"criterion": "random"} | WITHOUT_LEARNING,
}
NUMBERS_OF_UPDATES: dict[str, Changes] = {count: {"flops-lambda": "0", "updates": count} for count in ("10", "30", "100")}
# runs that prune far, by case: `point` for a percentage point of accuracy, `fast` to many times the speed
POINT = {"flops-lambda": "0.5", "updates": "20", "final-updates": "600"}
FAST = {"remove": "4", "updates": "20", "batch": "32", "flops-lambda": "0.1", "target": "flops=0.04", "final-updates": "1500"}
HOW_FAR: dict[str, dict[str, Changes]] = {
    "vgg-digits": {"point": POINT | {"remove": "12", "target": "maps=0.3"}},
    "resnet-digits": {"point": POINT | {"remove": "8", "target": "maps=0.2"}},
    "r3dcnn-gestures": {"fast": FAST | {"tested": "300"}},
}
# subsets that are pruned and retrained: shares at which neither accuracy nor loss is alike for all, and as many subsets as fit
# into some ten minutes on one core; other cases take the defaults
SURVIVAL: dict[str, Changes] = {
    "r3dcnn-gestures": {"each": "5", "shares": "0.4,0.6,0.8", "updates": "20", "batch": "16"},
    "cnn3-cifar10": {"each": "15", "shares": "0.2,0.4,0.6", "updates": "40", "examples": "1024"},
    "resnet20-cifar10": {"each": "5", "shares": "0.1,0.2,0.4", "updates": "40", "examples": "512", "tested": "1000"},
}


def studies(case: str, small: bool = False, more: bool = False) -> Mapping[str, Mapping[str, Changes]]:
    """The runs of a case, by folder and name: those of `make prune`, only two if `small`, or of `make prune-more` if `more`."""
    if small:
        return {PRUNING: {name: RANKINGS[name] for name in SMALL}}
    if not more:
        return {PRUNING: RANKINGS}
    repaired = {
        folder: {name: changes | {"repair": repair} for name, changes in STILL_RANKINGS.items()}
        for repair, folder in STILL_REPAIRED.items()
        if repair != "batchnorm" or case in WITH_BATCH_NORM
    }
    return {PRUNING: RANKINGS, FAR: HOW_FAR.get(case, {}), STILL: STILL_RANKINGS} | repaired | {UPDATES: NUMBERS_OF_UPDATES}
