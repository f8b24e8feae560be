"""From options to collaborators: each module makes what a command hands to a step."""
