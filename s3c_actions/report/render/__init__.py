"""Escaping, Markdown and HTML: the tools that every report is rendered with."""
