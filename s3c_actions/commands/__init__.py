"""The shell: one module for each command reads inputs, calls steps and hands back what was done.

A command never prints, exits or reads the environment: `cli.run` gives it a `Context` and renders the `Outcome` it
returns as console lines, summary, outputs and `result.json`.
"""
