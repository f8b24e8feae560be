"""How a process that lives for a second starts fast: imports beside other work, and a garbage collector held back.

Measured with `make bench`; a machine differs by half, so that the rows are read against `python -c pass`:

- Python's threshold of 700 objects is for programs that live long: importing alone would be 200 collections.
- Building a report of 30,000 findings spends a third of its time in collections that free nothing.
- A summary's template takes 0.05 s to import and compile, a report's formats 0.1 to 0.2 s, a trace 0.15 s; `requests`
  takes as long as Trivy takes to print its version, and Azure's signing client as long as a request. Each is warmed in
  a thread while a program or a service works.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from s3c_actions.core.libraries import IMPORTING

_MOST_SECONDS = 10.0
_warming: list[threading.Thread] = []
_ending = threading.Event()


def tune_collector() -> None:
    """Set the collector's thresholds for a process that ends soon."""
    gc.set_threshold(100_000, 20, 20)


@contextmanager
def paused() -> Iterator[None]:
    """Collect nothing in the block, and pass over what it built from then on: it lives until the run ends."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def warm(*modules: str, then: Callable[[], object] | str | None = None) -> threading.Thread:
    """Import modules in a thread of their own, and call what prepares them.

    Args:
        modules: full names.
        then: called after the imports; or `module:function`, imported first, which spares the caller its import.

    Returns:
        The thread, started; whoever needs the result at once joins it, others import as usual.
    """

    def work() -> None:
        for name in modules:
            if _ending.is_set():
                return
            with nullcontext() if name.startswith("s3c_actions.") else IMPORTING:
                importlib.import_module(name)
        if _ending.is_set():
            return
        if isinstance(then, str):
            module, _, function = then.partition(":")
            getattr(importlib.import_module(module), function)()
        elif then is not None:
            then()

    thread = threading.Thread(target=work, daemon=True)
    if not _warming:
        atexit.register(_finish)
    _warming.append(thread)
    thread.start()
    return thread


def _finish() -> None:
    """Let what is being imported come to its end: Python would end its thread in the middle, which can crash."""
    _ending.set()
    for thread in _warming:
        thread.join(_MOST_SECONDS)
