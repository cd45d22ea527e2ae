"""How examples are read: files and archives, images and videos, splits, and what cannot be read."""
