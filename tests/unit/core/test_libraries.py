import importlib
import sys
import threading

import pytest
import requests as real_requests

from s3c_actions.azure import libraries as azure_libraries
from s3c_actions.cluster import libraries as cluster_libraries
from s3c_actions.core import libraries
from s3c_actions.github import libraries as github_libraries
from s3c_actions.signing import libraries as signing_libraries

OWNERS = (libraries, signing_libraries, azure_libraries, github_libraries, cluster_libraries)
NAMED = {
    f"{owner.__name__}.{name}": importlib.import_module(getattr(owner, name).__name__)
    for owner in OWNERS
    for name in owner.__all__
    if name != "late"
}
"""Imported here, because Azure's libraries start a program when they are imported."""


def test_a_module_is_imported_when_one_of_its_names_is_used(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    module = libraries.late("colorsys")
    assert "colorsys" not in sys.modules
    assert pytest.approx(1 / 3) == module.ONE_THIRD
    assert "colorsys" in sys.modules


def test_what_replaces_a_name_is_seen(monkeypatch):
    module = libraries.late("requests")
    assert module.Session is real_requests.Session
    replacement = object()
    monkeypatch.setattr(real_requests, "Session", replacement)
    assert getattr(module, "Session") is replacement  # noqa: B009


CIRCLE = """
import importlib, threading
from test_circle import both
try:
    both.wait(0.2)
except threading.BrokenBarrierError:
    pass
importlib.import_module("test_circle.{other}")
NAME = 1
"""


def test_libraries_that_import_each_other_are_imported_by_one_thread_at_a_time(tmp_path, monkeypatch):
    # Two threads that each hold one module and want the other end with Python's _DeadlockError, or see half of it.
    package = tmp_path / "test_circle"
    package.mkdir()
    (package / "__init__.py").write_text("import threading\nboth = threading.Barrier(2)\n")
    (package / "one.py").write_text(CIRCLE.format(other="two"))
    (package / "two.py").write_text(CIRCLE.format(other="one"))
    monkeypatch.syspath_prepend(tmp_path)
    values = []
    threads = [
        threading.Thread(target=lambda name=name: values.append(libraries.late(f"test_circle.{name}").NAME))
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [1, 1]


def test_so_are_those_that_import_others_when_a_name_is_looked_up(tmp_path, monkeypatch):
    package = tmp_path / "test_circle"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import importlib, threading\nboth = threading.Barrier(2)\n"
        "def __getattr__(name):\n    return importlib.import_module(f'test_circle.{name}_part').NAME\n"
    )
    (package / "one_part.py").write_text(CIRCLE.format(other="two_part"))
    (package / "two_part.py").write_text(CIRCLE.format(other="one_part"))
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("test_circle")]:
        monkeypatch.delitem(sys.modules, name)
    stand_in, names = libraries.late("test_circle"), []
    threads = [
        threading.Thread(target=lambda name=name: names.append(getattr(stand_in, name))) for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == [1, 1]


def test_a_name_that_is_missing_is_the_error_of_the_module():
    with pytest.raises(AttributeError, match="'colorsys' has no attribute 'nothing'"):
        libraries.late("colorsys").nothing  # noqa: B018


def test_a_module_that_is_missing_is_the_error_of_its_import():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        libraries.late("no_such_module").anything  # noqa: B018


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: owner.__name__)
def test_each_name_of_an_owner_stands_for_a_module(owner):
    modules = {name: NAMED[f"{owner.__name__}.{name}"] for name in owner.__all__ if name != "late"}
    assert modules
    for name, module in modules.items():
        public = next(word for word in vars(module) if not word.startswith("_"))
        assert getattr(getattr(owner, name), public) is getattr(module, public)
