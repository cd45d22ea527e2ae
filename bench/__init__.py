"""What every stage shares: cases and the networks, data, training, weights and run files behind them."""
