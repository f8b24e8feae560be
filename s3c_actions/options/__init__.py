"""The inputs, in groups: each is declared once, for command line, environment, action and README."""
