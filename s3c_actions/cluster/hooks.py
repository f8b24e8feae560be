"""Hooks of Helm and Argo CD among manifests: objects that are for one moment in a release's life.

`helm template` renders them with everything else. https://helm.sh/docs/topics/charts_hooks/,
https://argo-cd.readthedocs.io/en/stable/user-guide/resource_hooks/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_APPLIED = {
    "helm.sh/hook": frozenset({"pre-install", "post-install", "pre-upgrade", "post-upgrade", "crd-install"}),
    "argocd.argoproj.io/hook": frozenset({"PreSync", "Sync", "PostSync"}),
}
"""Annotation → the moments that a deployment has; objects for other moments alone are left out."""


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A hook: its annotation, as `helm.sh/hook: post-delete`, and whether its object is applied."""

    annotation: str
    applied: bool


def find_hook(annotations: Mapping[str, Any]) -> Hook | None:
    """Return the hook that an object's annotations declare; None when it is an ordinary object."""
    for key, moments in _APPLIED.items():
        value = annotations.get(key)
        declared = [moment.strip() for moment in str(value).split(",")] if value is not None else []
        if declared and any(declared):
            return Hook(annotation=f"{key}: {value}", applied=any(moment in moments for moment in declared))
    return None


def is_applied(document: Mapping[str, Any]) -> bool:
    """Return whether an object is applied: it is no hook, or one of an installation or an upgrade."""
    annotations = (document.get("metadata") or {}).get("annotations")
    hook = find_hook(annotations) if isinstance(annotations, Mapping) else None
    return hook is None or hook.applied
