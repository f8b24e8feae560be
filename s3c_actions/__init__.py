"""s3c: scan, patch, sign, verify and deploy container images."""

__version__ = "1.0.0"
