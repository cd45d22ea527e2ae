"""The names of repairs, each with what it does in order: `both` carries means into biases, then estimates batch norms again."""

BIAS, BATCHNORM = "bias", "batchnorm"
REPAIRS: dict[str, tuple[str, ...]] = {"none": (), "bias": (BIAS,), "batchnorm": (BATCHNORM,), "both": (BIAS, BATCHNORM)}
EXAMPLES = 256  # that a repair sees where nobody says how many
