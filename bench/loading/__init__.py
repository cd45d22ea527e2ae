"""How a case comes to be: by its name, from a file, from a library's network, from a model and data."""
