"""The pruning loop: fine-tune and score, delete the least important maps, fine-tune again, until a target is reached."""
