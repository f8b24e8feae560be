"""Findings: their model, their difference, and every form they are shown in."""
