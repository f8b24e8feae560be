"""The Markdown that people read on GitHub: comment, summary, annotations, the refresh's issue."""
