"""Stage 2, the guesses: criteria that predict which feature maps a network can lose."""
