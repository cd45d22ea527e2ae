"""Stage 3, pruning: ranks maps, deletes the least important ones and fine-tunes, down to a physically smaller network."""
