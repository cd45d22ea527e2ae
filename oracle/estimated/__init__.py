"""The estimated oracle: one backward pass predicts every pair, and only the pairs that decide the ranking are measured."""
