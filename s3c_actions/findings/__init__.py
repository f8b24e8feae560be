"""The findings of a scanner in an image: reading, comparison, and the gate's threshold."""
