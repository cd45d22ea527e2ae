"""What builds the documentation: figures and tables from committed records, a card per criterion, the commands, formulas."""
