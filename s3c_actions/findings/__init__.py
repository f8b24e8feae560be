"""What a scanner found in an image: read, compared, judged against a threshold."""
