"""Build the collaborators of the steps from the options of a command."""
