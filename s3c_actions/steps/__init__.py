"""The steps of the toolkit: each is a function of settings and collaborators, and knows nothing of GitHub."""
