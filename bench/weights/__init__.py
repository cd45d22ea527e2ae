"""Finding, reading and storing trained weights; the small ones that ship with the suite are in this folder."""
