"""The options that the plugin adds to pytest."""

OPTION = "--pruning-oracle-"
CASES, SEEDS = "vgg-digits resnet-digits r3dcnn-gestures", "0 1 2"
OPTIONS = {
    "criteria": ("FILE", None, "hold every @criterion of this .py file to its baselines"),
    "baselines": ("FOLDER", None, "where the baselines lie (default: beside the file, mine.baselines)"),
    "accept": ("REASON", None, "make what is measured the new baselines, for this reason"),
    "cases": ("NAMES", CASES, f"on which cases (default: {CASES})"),
    "seeds": ("NUMBERS", SEEDS, f"at which seeds of the cases (default: {SEEDS})"),
    "examples": ("NUMBER", None, "examples per run (default: the case's own number)"),
}
