"""The renderer: sections become one page."""
