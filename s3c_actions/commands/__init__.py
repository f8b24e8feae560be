"""The shell: one module for each command reads inputs, calls steps and renders results."""
