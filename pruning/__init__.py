"""Stage 3, the use: rank, remove and fine-tune, down to a network that is really smaller."""
