"""Prints the cache folder, for cache.sh."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from s3c_actions.core.folders import cache_folder

print(cache_folder(os.environ).path)
