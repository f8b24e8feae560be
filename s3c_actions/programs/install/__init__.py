"""The sources of programs: a path, PATH, a pinned release, a build from the module."""
