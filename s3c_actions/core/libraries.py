"""Libraries that take long to import, each under one name: it is imported when one of its names is first used.

Whoever uses one imports it from here, at the top of the file; `s3c --help`, wrong input and runs that do without it
do not pay for it. Measured on the machine on which `s3c --version` takes 30 ms: `requests` 42 ms, `jinja2` 30 ms,
`cryptography.x509` 20 ms, `yaml` 9 ms, `ruamel.yaml` 7 ms, `zoneinfo` 2 ms. The libraries of one package only are
named in its own `libraries.py`.
"""

from __future__ import annotations

import importlib
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = [
    "concurrent_futures",
    "http_client",
    "jinja2",
    "jinja2_sandbox",
    "late",
    "packageurl",
    "packaging_licenses",
    "requests",
    "ruamel_yaml",
    "urllib3",
    "yaml",
    "zoneinfo",
]


IMPORTING = threading.RLock()
"""Held while a library is imported. Those of Azure, Kubernetes and GitHub import each other in circles: of two threads
that meet in one, one would get Python's `_DeadlockError`, or half a module. No module of ours is imported under it, as
that may wait for it."""


class _Late(ModuleType):
    """A module that is imported when one of its names is used, and looked up each time, as it may be replaced."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by tools that look at modules, which need not import it
            raise AttributeError(name)
        with IMPORTING:  # some of Azure's modules import others when a name is looked up
            return getattr(importlib.import_module(self.__name__), name)


def late(name: str) -> ModuleType:
    """Return a stand-in for a module.

    Args:
        name: of the module, in full.

    Returns:
        What has the module's names; using one raises as importing the module and looking the name up would.
    """
    return _Late(name)


# To the type checker they are the modules themselves.
if TYPE_CHECKING:
    import concurrent.futures as concurrent_futures
    import http.client as http_client
    import zoneinfo

    import jinja2
    import jinja2.sandbox as jinja2_sandbox
    import packageurl
    import packaging.licenses as packaging_licenses
    import requests
    import requests.adapters
    import ruamel.yaml as ruamel_yaml
    import urllib3
    import yaml
else:
    concurrent_futures = late("concurrent.futures")
    http_client = late("http.client")
    jinja2 = late("jinja2")
    jinja2_sandbox = late("jinja2.sandbox")
    packageurl = late("packageurl")
    packaging_licenses = late("packaging.licenses")
    requests = late("requests")
    ruamel_yaml = late("ruamel.yaml")
    urllib3 = late("urllib3")
    yaml = late("yaml")
    zoneinfo = late("zoneinfo")
