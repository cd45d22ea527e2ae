"""Where trained weights come from; the small ones that ship lie beside these files."""
