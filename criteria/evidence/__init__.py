"""What criteria may see, and how it is gathered."""
