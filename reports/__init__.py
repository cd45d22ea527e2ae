"""Stage 4, the comparison: reads run files only, and turns them into tables, figures and one page."""
