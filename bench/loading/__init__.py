"""Loading a case: by its name, from a Python file, from a library's network, or from a model and data."""
