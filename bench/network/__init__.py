"""What is done to a network: gates, the sites where maps can be removed, and what maps feed and cost."""
