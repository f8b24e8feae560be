"""A machine like GitHub's hosted runners, in a container: for workflows that a test runs as a user's job runs."""
