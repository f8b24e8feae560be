"""What every other package may use: errors, references, processes, secrets, files and their limits."""
