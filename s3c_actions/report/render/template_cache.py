"""Cache compiled templates beside Python's own compiled modules, by the same rules.

Compiling takes longer than rendering: 0.05 s of a page.
"""

from __future__ import annotations

import importlib.util
import sys
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from s3c_actions import __version__


def open_template_cache(by: str) -> jinja2.BytecodeCache | None:
    """Return the cache of an environment's compiled templates; None where Python writes no compiled modules either.

    Jinja detects a changed template but not a changed environment, so each version of s3c has its own cache.

    Args:
        by: the environment's name, because each environment compiles the same template differently.
    """
    if sys.dont_write_bytecode:
        return None
    return _TemplateCache(str(Path(importlib.util.cache_from_source(__file__)).parent), f"{by}-{__version__}-%s.jinja")


class _TemplateCache(jinja2.FileSystemBytecodeCache):
    def load_bytecode(self, bucket: Bucket) -> None:
        """Load a compiled template, if it exists and can be read."""
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write a compiled template; where that is not possible it is compiled again the next time."""
        with suppress(OSError):
            Path(self.directory).mkdir(parents=True, exist_ok=True)
            super().dump_bytecode(bucket)
