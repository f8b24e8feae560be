"""Trivy: its command line, settings, database, ignore files and errors."""
