import importlib
import sys

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
