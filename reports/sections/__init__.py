"""One file per section of the report: `section(study)` gives a table, a figure and a caption."""
