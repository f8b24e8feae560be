"""Builders, stand-ins of services, and what the tests of several folders share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
