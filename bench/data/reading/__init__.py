"""Reading examples: files and archives, images and videos, splits, and examples that cannot be read."""
