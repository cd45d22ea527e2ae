"""The sections of the report, one file each: its function `section` returns a caption with a figure, a table or both."""
