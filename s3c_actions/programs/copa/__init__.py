"""Copa: its command line and errors."""
