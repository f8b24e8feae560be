"""The runner: its files and commands. Called by the shell only."""
