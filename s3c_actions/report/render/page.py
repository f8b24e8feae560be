"""Self-contained pages: templates that escape every value, and content security policies by hash."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

import jinja2

from s3c_actions.report.render import template_cache


@cache
def page_environment() -> jinja2.Environment:
    """Return the environment of the page templates."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("s3c_actions.report"),
        bytecode_cache=template_cache.open_template_cache("page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def template_source(name: str) -> str:
    """Return the source of a template, or of a file beside the templates."""
    loader = page_environment().loader
    assert loader is not None  # noqa: S101 - set above
    return loader.get_source(page_environment(), name)[0]


def csp_hash(text: str) -> str:
    """Return the hash by which a content security policy allows only this script or style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
