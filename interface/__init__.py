"""The Python interface: the pipeline as functions, each of which returns an object with a table, a picture and a file."""
