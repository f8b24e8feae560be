"""The programs that do the work, a folder each, and where they come from."""
