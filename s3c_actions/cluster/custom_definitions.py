"""Custom resource definitions that are applied together with objects of their kinds.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from s3c_actions.cluster.client import Cluster, KubernetesObject, Resource
from s3c_actions.core.errors import InputError, OutsideError

KIND = "CustomResourceDefinition"
RESOURCE = Resource(path="/apis/apiextensions.k8s.io/v1", plural="customresourcedefinitions", namespaced=False)
_WAIT = 60.0


def defined_resources(documents: Iterable[KubernetesObject]) -> dict[tuple[str, str], Resource]:
    """Return how the kinds that definitions among the documents define will be served, by apiVersion and kind."""
    resources = {}
    for document in documents:
        if document.get("kind") != KIND or not str(document.get("apiVersion")).startswith("apiextensions.k8s.io/"):
            continue
        spec = _mapping(document.get("spec"))
        names, group = _mapping(spec.get("names")), str(spec.get("group") or "")
        for version in spec.get("versions") or ():
            if not isinstance(version, Mapping) or not version.get("served") or not names.get("plural"):
                continue
            api_version = f"{group}/{version.get('name')}"
            resources[api_version, str(names.get("kind"))] = Resource(
                path=f"/apis/{api_version}",
                plural=str(names["plural"]),
                namespaced=spec.get("scope") == "Namespaced",
            )
    return resources


def wait_until_served(
    cluster: Cluster,
    definitions: Iterable[str],
    kinds: Iterable[tuple[str, str]],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until definitions are established and their kinds are served.

    Args:
        cluster: to query.
        definitions: names of the definitions.
        kinds: apiVersion and kind.
        clock: returns seconds.
        sleep: waits a number of seconds.

    Raises:
        OutsideError: a definition's names are not accepted, or it is not served in time.
    """
    deadline = clock() + _WAIT
    waiting, unserved = list(definitions), list(kinds)
    while waiting or unserved:
        for name in list(waiting):
            conditions = _conditions(cluster.get(RESOURCE, name) or {})
            if conditions.get("NamesAccepted", {}).get("status") == "False":
                raise OutsideError(
                    f"The names of the custom resource definition {name} are not accepted.",
                    cause=str(conditions["NamesAccepted"].get("message") or ""),
                    remedy="Another definition has them: rename the kind, or remove the other one.",
                )
            if conditions.get("Established", {}).get("status") == "True":
                waiting.remove(name)
        if not waiting:
            unserved = [kind for kind in unserved if not _is_served(cluster, *kind)]
        if (waiting or unserved) and clock() > deadline:
            missing = ", ".join([*waiting, *(kind for _, kind in unserved)])
            raise OutsideError(
                f"The cluster does not serve {missing} {_WAIT:g} s after the definition was applied.",
                remedy="Look at it: `kubectl describe crd`.",
            )
        if waiting or unserved:
            sleep(0.2)


def _is_served(cluster: Cluster, api_version: str, kind: str) -> bool:
    try:
        cluster.resource(api_version, kind)
    except InputError:
        return False
    return True


def _conditions(live: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(entry.get("type")): entry for entry in (live.get("status") or {}).get("conditions") or ()}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
