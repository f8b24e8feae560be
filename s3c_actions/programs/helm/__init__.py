"""Helm, and the charts of the gate."""
