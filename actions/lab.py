"""Starts the lab from this checkout under `python -I`, which puts no folder on the module path by itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from s3c_lab.__main__ import main

sys.exit(main())
