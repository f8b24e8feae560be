"""What can be set, in groups: each option is declared once, for command line, environment, action and README."""
