"""Containers for a short look at an image: by Docker or nerdctl, or by runc; each with the same isolation."""
