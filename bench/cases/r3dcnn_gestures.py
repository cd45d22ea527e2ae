"""The gesture network of Molchanov et al. at 1/8 width on generated gesture videos: 8 sites, 344 maps."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data.gestures import CLASSES, Gestures
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.models.r3dcnn import R3DCNN
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.training.from_scratch import ScratchRecipe
from pruning_oracle.bench.weights import shipped

TRAIN, TEST = 2400, 600


def build() -> R3DCNN:
    """The network with random weights."""
    return R3DCNN(CLASSES)


def train() -> Gestures:
    """The training videos, each generated when it is read."""
    return Gestures(TRAIN, stream=0)


def test() -> Gestures:
    """The test videos, generated from another random stream than the training videos."""
    return Gestures(TEST, stream=1)


RECIPE = ScratchRecipe(build, train, test, epochs=20, rate=1.5e-3, batch=32)
PRUNING = PruningSettings(
    remove=20, updates=10, rate=1e-2, batch=16, target=Target("maps", 0.2), final_updates=80, tested=200, flops_lambda=0.03
)


@case(training=RECIPE, pruning=PRUNING, classes="gestures")
def r3dcnn_gestures(seed: int) -> Case:
    """R3DCNN on generated gestures: 3D convolutions on clips folded into the batch axis, then a GRU over the clips."""
    model = shipped.restore(build(), "r3dcnn-gestures", seed)
    why = "a video costs 15 times a digit, and 192 still hold 16 of each gesture on average"
    return assemble(model, train(), test(), examples=192, why=why)
