"""The estimated oracle: predictions from one backward pass, and the pairs that decide the ranking measured."""
