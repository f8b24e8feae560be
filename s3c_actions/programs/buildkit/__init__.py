"""BuildKit: the daemon that patches are built by."""
