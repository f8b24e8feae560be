"""What a command hands back, and the `result.json`, outputs and schemas that are made of it."""
