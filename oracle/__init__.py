"""Stage 1, the truth: the real change in loss when each feature map is removed."""
