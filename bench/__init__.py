"""The workbench: the words and instruments that every stage shares."""
