"""Explain why the API server refuses a change: fields of other managers, and fields that cannot be changed.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from s3c_actions.core.errors import S3CError
from s3c_actions.core.explain import Case, explain

_NAME = r"\"(?P<name>[^\"]{1,253})\" is invalid: "
_FIELD = r"\[?(?P<field>[\w.\"-][\w.\[\]\"-]{0,200}|<nil>): "

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
        pattern=rf"Pod {_NAME}spec: Forbidden: pod updates may not change fields other than",
        what="The Pod {name} exists, and what was changed of it cannot be changed.",
        cause="Of a Pod its images, added tolerations and few more can be changed.",
        remedy="Deploy a Deployment or a Job that makes the Pod, or delete the Pod and deploy again.",
    ),
    Case(
        pattern=rf"(?P<kind>[A-Za-z]\w*)(?:\.[\w.-]{{1,200}})? {_NAME}{_FIELD}.{{0,4000}}?"
        r"(?:field is immutable|may not change once set|cannot be changed|cannot change roleRef|may not be "
        r"changed|is immutable|updates to [\w ]{1,100}(?:are|is) forbidden)",
        what="The {kind} {name} exists, and its {field} cannot be changed.",
        cause="It is fixed when the object is created.",
        remedy="Take the change back, or delete the object and deploy again: what it controls is deleted with it.",
    ),
)
"""Changes of fields that are fixed when an object is created."""

_CONFLICT = re.compile(r'conflicts? with "(?P<manager>[^"]+)"(?: with subresource "(?P<subresource>[^"]+)")?')
_SHOWN = 5


def explain_immutable(status: Mapping[str, Any], message: str) -> S3CError | None:
    """Return what is known of a refusal to change a field; None when it is refused for another reason.

    Args:
        status: the `Status`, whose causes name each field that is refused.
        message: of it.
    """
    named = message.partition(" is invalid: ")[0]
    texts = [f"{named} is invalid: {field}: {text}" for field, text in _causes(status)]
    known = (explain(text, IMMUTABLE, flags=re.DOTALL) for text in [*texts, message])
    return next(filter(None, known), None)


def _causes(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the field and the message of each cause."""
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    return [
        (str(cause.get("field") or ""), str(cause.get("message")))
        for cause in (causes if isinstance(causes, list) else ())
        if isinstance(cause, Mapping)
    ]


def conflicting_fields(status: Mapping[str, Any], message: str) -> list[tuple[str, str]]:
    """Return the manager and the field of each conflict in the API server's answer.

    Args:
        status: the `Status`.
        message: of it.
    """
    conflicts = []
    for field, text in _causes(status):
        if match := _CONFLICT.search(text):
            subresource = f" (by `{match['subresource']}`)" if match["subresource"] else ""
            conflicts.append((f"{match['manager']}{subresource}", (field or "?").removeprefix(".")))
    if conflicts:
        return conflicts
    # The message lists the fields of each manager behind it.
    matches = list(_CONFLICT.finditer(message))
    for number, match in enumerate(matches):
        end = matches[number + 1].start() if number + 1 < len(matches) else len(message)
        subresource = f" (by `{match['subresource']}`)" if match["subresource"] else ""
        fields = re.findall(r"(?<=[:-] )\.([^\s,]+)", message[match.end() : end])
        conflicts += [(f"{match['manager']}{subresource}", field) for field in fields or ["?"]]
    return conflicts


_EXPORTED = re.compile(
    r"the object has been modified|Precondition failed: UID|managedFields must be nil"
    r"|resourceVersion[^\n]{0,200}(?:should not|must not|Invalid value)"
)


def describe_exported(message: str) -> tuple[str, str, str] | None:
    """Return what happened, the cause and the remedy where a manifest has what the server writes; None otherwise."""
    if not _EXPORTED.search(message):
        return None
    return (
        "The object is another, or has changed, since the manifest was read from a cluster.",
        "The manifest has `resourceVersion`, `uid` or `managedFields` in its `metadata`, as `kubectl get -o yaml` "
        "shows them: it counts for that state of the object alone. Or something else writes the object now.",
        "Take them out, with `creationTimestamp`, `generation` and `status`; without them, run it again.",
    )


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
