"""s3c: scan, patch, sign, verify and deploy container images."""

__version__ = "1.0.0"
REPOSITORY = "org/s3c"
"""Where this is published on GitHub, as owner/name: `tools/release.py name` writes another one everywhere."""
