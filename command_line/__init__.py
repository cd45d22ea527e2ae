"""The command `pruning-oracle`: the interface's functions with options, and what they give as lines, tables or JSON."""
