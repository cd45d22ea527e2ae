"""Training the networks of cases, from random weights or by fine-tuning."""
