"""The loop: learn and score, remove the least important maps, learn again, down to a target."""
