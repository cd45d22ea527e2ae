"""Cases with losses, outputs, labels and inputs of every kind, as the text of users' files."""

import copy
from typing import Any

HEAD = """
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset, TensorDataset
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case

class Body(nn.Module):
    def __init__(self, out, channels=2):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(channels, 5, 3, padding=1), nn.Conv2d(5, 4, 3), nn.Linear(4, out)
    def features(self, x):
        return torch.relu(self.b(torch.relu(self.a(x))))
    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))

class Examples(Dataset):
    def __init__(self, label, inputs=None):
        self.inputs, self.label = torch.randn(24, 2, 6, 6) if inputs is None else inputs, label
    def __len__(self):
        return len(self.inputs)
    def __getitem__(self, row):
        return self.inputs[row], self.label(row)

class_of = lambda row: row % 3
"""

# each gives `model`, `data` and `loss`
KINDS = {
    "classes": """
model, data, loss = Body(3), Examples(class_of), lambda output, label: F.cross_entropy(output, label, reduction="none")
""",
    "several labels": """
model, data = Body(7), Examples(lambda row: torch.rand(7).round())
loss = lambda output, label: F.binary_cross_entropy_with_logits(output, label, reduction="none").mean(1)
""",
    "dense": """
class Dense(Body):
    def forward(self, x):
        return self.head(self.features(x).movedim(1, 3)).movedim(3, 1)
model, data = Dense(3), Examples(lambda row: torch.randint(0, 3, (4, 4)))
loss = lambda output, label: F.cross_entropy(output, label, reduction="none").mean((1, 2))
""",
    "a tuple of outputs": """
class Heads(Body):
    def forward(self, x):
        h = self.features(x).mean((2, 3))
        return self.head(h), h.sum(1)
model, data = Heads(3), Examples(lambda row: (class_of(row), torch.randn(())))
loss = lambda output, label: F.cross_entropy(output[0], label[0], reduction="none") + (output[1] - label[1]).square()
""",
    "dictionaries": """
class Heads(Body):
    def forward(self, x):
        h = self.features(x).mean((2, 3))
        return {"scores": self.head(h), "size": h.sum(1)}
model, data = Heads(3), Examples(lambda row: {"class": class_of(row), "more": [torch.randn(2), 0.5 * row]})
def loss(output, label):
    far = (output["size"] - label["more"][0].sum(1) - label["more"][1]).square()
    return F.cross_entropy(output["scores"], label["class"], reduction="none") + far
""",
    "several targets": """
model, data = Body(3), Examples(lambda row: torch.randn(3).double())
loss = lambda output, label: F.huber_loss(output, label, reduction="none").mean(1)
""",
    "floats of Python": """
model, data = Body(1), Examples(lambda row: 0.1 * row)
loss = lambda output, label: F.mse_loss(output[:, 0], label, reduction="none")
""",
    "one column": """
model, data = Body(1), Examples(lambda row: row % 2)
loss = lambda output, label: F.binary_cross_entropy_with_logits(output[:, 0], label.float(), reduction="none")
""",
    "one number": """
class Number(Body):
    def forward(self, x):
        return super().forward(x)[:, 0]
model, data = Number(1), Examples(lambda row: float(row % 2))
loss = lambda output, label: F.binary_cross_entropy_with_logits(output, label, reduction="none")
""",
    "padded sequences": """
class Steps(Body):
    def forward(self, x):
        return self.head(self.features(x).mean(2).permute(2, 0, 1)).log_softmax(2)
model, data = Steps(3), Examples(lambda row: (torch.tensor([1, 2]), torch.tensor(1 + row % 2)))
def loss(output, label):
    steps = torch.full((output.shape[1],), len(output))
    return F.ctc_loss(output, label[0], steps, label[1], reduction="none")
""",
    "ragged sequences": """
class Steps(Body):
    def forward(self, x):
        return self.head(self.features(x).mean(2).permute(2, 0, 1)).log_softmax(2)
model, data = Steps(3), Examples(lambda row: torch.tensor([1, 2, 1][: 1 + row % 3]))
def loss(output, label):
    steps, long = torch.full((output.shape[1],), len(output)), torch.tensor([len(one) for one in label])
    return F.ctc_loss(output, torch.cat(list(label)), steps, long, reduction="none")
""",
    "bytes": """
class Bytes(Body):
    def forward(self, x):
        return super().forward(x / 255 - 0.5)
model, data = Bytes(3), Examples(class_of, torch.randint(0, 256, (24, 2, 6, 6), dtype=torch.uint8))
loss = lambda output, label: F.cross_entropy(output, label, reduction="none")
""",
    "tokens": """
class Tokens(Body):
    def __init__(self):
        super().__init__(3, 6)
        self.table = nn.Embedding(11, 6)
    def forward(self, x):
        return super().forward(self.table(x).movedim(3, 1))
model, data = Tokens(), Examples(class_of, torch.randint(0, 11, (24, 5, 5)))
loss = lambda output, label: F.cross_entropy(output, label, reduction="none")
""",
}

TAIL = """
model.eval()

@case
def mine(seed):
    return assemble(model, data, data, loss=loss, examples=8)
"""


def users_file(kind):
    """The text of a user's file whose case is of this kind."""
    drawn = "data = [data[row] for row in range(len(data))]\n"
    return HEAD + "torch.manual_seed(0)\n" + KINDS[kind] + drawn + TAIL


def case_of_kind(kind, untouched=False):
    """The case of such a file, in float32; with `untouched`, also the network as the user made it."""
    names: dict[str, Any] = {}
    exec(users_file(kind).replace("@case", ""), names)  # noqa: S102 (the text above)
    made = names["mine"](0)
    return (made, copy.deepcopy(names["model"])) if untouched else made
