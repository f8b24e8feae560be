"""Foundations for every other package: errors, references, processes, secrets, files and their limits."""
