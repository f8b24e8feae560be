"""What the toolkit does: each step is a function of settings and collaborators, and knows nothing of GitHub."""
