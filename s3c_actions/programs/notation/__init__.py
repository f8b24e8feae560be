"""notation: its command line, its home, keys, plugins and errors."""
