"""The commands: one module each, which reads inputs, calls steps and returns an `Outcome`.

A command never prints, exits or reads the environment: `cli.run` gives it a `Context` and renders the `Outcome` it
returns as console lines, summary, outputs and `result.json`.
"""
