"""The analysis of a network: its gates, the sites where maps can be removed, the layers that maps feed, and what maps cost."""
