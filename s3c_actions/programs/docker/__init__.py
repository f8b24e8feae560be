"""The local Docker, as the place of an image."""
