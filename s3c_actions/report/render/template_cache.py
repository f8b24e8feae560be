"""Templates compiled once, and kept beside Python's own compiled modules, by the same rules as those.

To compile takes longer than to render: 0.05 s of a page.
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
    """Where an environment keeps its compiled templates; None where Python keeps none either.

    Jinja notices when a template was changed, and not when the environment was: each version of ours has its own.

    Args:
        by: the environment's name: another one compiles the same template differently.
    """
    if sys.dont_write_bytecode:
        return None
    return _Kept(str(Path(importlib.util.cache_from_source(__file__)).parent), f"{by}-{__version__}-%s.jinja")


class _Kept(jinja2.FileSystemBytecodeCache):
    def load_bytecode(self, bucket: Bucket) -> None:
        """Fetch one, if it is there and can be read."""
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep one; where nothing may be written it is compiled again the next time."""
        with suppress(OSError):
            Path(self.directory).mkdir(parents=True, exist_ok=True)
            super().dump_bytecode(bucket)
