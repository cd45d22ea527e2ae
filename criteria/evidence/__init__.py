"""Evidence: what criteria may see of a network, and how it is gathered."""
