"""Trace: the order of it, and a module for each of its parts."""
