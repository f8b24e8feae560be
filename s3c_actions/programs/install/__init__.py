"""Where a program comes from: a path, PATH, a pinned release, a build from its module."""
