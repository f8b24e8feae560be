"""Escaping, Markdown and HTML: the tools that every report is written with."""
