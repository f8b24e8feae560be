"""Explain why the API server refuses a change: fields of other managers, and fields that cannot be changed.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from s3c_actions.core.explain import Case

_NAME = r"\"(?P<name>[^\"]{1,253})\" is invalid: "
_FIELD = r"(?P<field>spec[\w.\[\]\"-]{0,200}|roleRef|data|[\w.\[\]\"-]{1,200}): "

IMMUTABLE: tuple[Case, ...] = (
    Case(
        pattern=rf"Job(?:\.batch)? {_NAME}{_FIELD}.*field is immutable",
        what="The Job {name} exists, and its {field} cannot be changed.",
        cause="A Job runs once: what it runs, such as another image, is fixed when it is created.",
        remedy="Let finished Jobs be replaced with `recreate: jobs`, or give the Job another name.",
    ),
    Case(
        pattern=rf"StatefulSet(?:\.apps)? {_NAME}spec: Forbidden: updates to statefulset spec for fields other than",
        what="The StatefulSet {name} exists, and what was changed of it cannot be changed.",
        cause="Of a StatefulSet its template, replicas, update strategy and a few more can be changed, but not its "
        "selector, service name and volume claims.",
        remedy="Take the change back, or delete the StatefulSet with `--cascade=orphan`, which keeps its Pods, and "
        "deploy again.",
    ),
    Case(
        pattern=rf"PersistentVolumeClaim {_NAME}{_FIELD}(?:.{{0,2000}}?: )?Forbidden: (?P<why>[^\n]{{1,200}})",
        what="The volume claim {name} exists, and its {field} cannot be changed like that: {why}.",
        cause="A volume can grow, where its storage class allows it, and not shrink or become another.",
        remedy="Take the change back, or claim a new volume by another name.",
    ),
    Case(
        pattern=rf"(?P<kind>[A-Za-z]\w*)(?:\.[\w.-]{{1,200}})? {_NAME}{_FIELD}.{{0,4000}}?"
        r"(?:field is immutable|may not change once set|cannot be changed once set|cannot change roleRef|may not be "
        r"changed|is immutable)",
        what="The {kind} {name} exists, and its {field} cannot be changed.",
        cause="It is fixed when the object is created.",
        remedy="Take the change back, or delete the object and deploy again: what it controls is deleted with it.",
    ),
)
"""Changes of fields that are fixed when an object is created."""

_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]+)"(?: with subresource "(?P<subresource>[^"]+)")?')
_SHOWN = 5


def conflicting_fields(status: Mapping[str, Any], message: str) -> list[tuple[str, str]]:
    """Return the manager and the field of each conflict in the API server's answer.

    Args:
        status: the `Status`.
        message: of it.
    """
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    conflicts = []
    for cause in causes if isinstance(causes, list) else ():
        if isinstance(cause, Mapping) and (match := _CONFLICT.search(str(cause.get("message")))):
            subresource = f" (by `{match['subresource']}`)" if match["subresource"] else ""
            conflicts.append((f"{match['manager']}{subresource}", str(cause.get("field") or "?").removeprefix(".")))
    if not conflicts and (match := _CONFLICT.search(message)):
        subresource = f" (by `{match['subresource']}`)" if match["subresource"] else ""
        fields = re.findall(r"(?<=[:-] )\.([^\s,]+)", message)
        conflicts = [(f"{match['manager']}{subresource}", field) for field in fields or ["?"]]
    return conflicts


def describe_conflict(conflicts: list[tuple[str, str]]) -> tuple[str, str, str]:
    """Return what happened, the cause and the remedy."""
    listed = ", ".join(f"{field} ({manager})" for manager, field in conflicts[:_SHOWN])
    more = f" and {len(conflicts) - _SHOWN} more" if len(conflicts) > _SHOWN else ""
    if any("`scale`" in manager for manager, _ in conflicts):
        return (
            f"Another field manager set what is to be changed: {listed}{more}.",
            "It was scaled, by hand or by an autoscaler.",
            "Leave `replicas` out of the manifest, so that whoever scales decides, or take it over with "
            "`force-conflicts: true`.",
        )
    return (
        f"Another field manager owns what is to be changed: {listed}{more}." if listed else
        "Another field manager owns what is to be changed.",
        "It was applied with another tool before (`kubectl apply`, Helm, …).",
        "Leave these fields out of the manifest, or take them over with `force-conflicts: true`.",
    )  # fmt: skip
