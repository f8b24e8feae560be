"""What `s3c init` does: inspect a repository, and write the workflows and settings that fit it."""
