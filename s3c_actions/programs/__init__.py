"""One module for each outside program, and how a program is had."""
