"""Find the address at which an applied application is reached, wait for it, and explain why there is none.

Routes and Gateways of the Gateway API (https://gateway-api.sigs.k8s.io/reference/spec/), Ingresses, and Services of the
type LoadBalancer. A controller publishes an address some time after the object is applied; until a condition's
`observedGeneration` is the object's generation, the condition is about an earlier version of the object.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from s3c_actions.cluster.apply import ApplyTarget, ObjectChange, read_object
from s3c_actions.cluster.client import ApiError, Cluster, KubernetesObject, Resource
from s3c_actions.cluster.rollout import warning_events
from s3c_actions.core.errors import InputError

WAIT_SECONDS = 120.0
"""The longest wait for an address: a cloud's load balancer takes one or two minutes to get one."""
SETTLE_SECONDS = 10.0
"""How long a rejection has to last: a controller may see a route before the Gateway or the Service that it names."""
POLL = (0.1, 2.0)
GATEWAY_GROUP = "gateway.networking.k8s.io"
GATEWAY_VERSION = f"{GATEWAY_GROUP}/v1"
_NAMESPACES = Resource(path="/api/v1", plural="namespaces", namespaced=False)
# Kind of route → the protocols of the listeners that carry it.
_ROUTES = {
    "HTTPRoute": frozenset({"HTTP", "HTTPS"}),
    "GRPCRoute": frozenset({"HTTP", "HTTPS"}),
    "TLSRoute": frozenset({"TLS"}),
}
_RANKS = (
    *((GATEWAY_GROUP, kind) for kind in (*_ROUTES, "Gateway")),
    ("networking.k8s.io", "Ingress"),
    ("", "Service"),
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Reasons of a Gateway's condition that is False while it is being set up.
_TEMPORARY = frozenset({"Pending", "AddressNotAssigned", "NoResources"})
_ROUTE_REMEDIES = {
    "NotAllowedByListeners": "Let a listener of it admit routes of this namespace (`allowedRoutes`).",
    "NoMatchingListenerHostname": "Compare the route's `hostnames` with those of its listeners.",
    "NoMatchingParent": "Compare the route's `sectionName` and `port` with its listeners.",
    "BackendNotFound": "Compare `backendRefs` with the namespace's Services.",
    "RefNotPermitted": "The other namespace needs a ReferenceGrant for it.",
}


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """Where one object exposes the application.

    Attributes:
        url: empty when it is not reached, or not yet.
        problems: sentences on what is missing or rejected.
        pending: its controller may still publish an address by itself.
    """

    url: str = ""
    problems: tuple[str, ...] = ()
    pending: bool = False


class _Wait(Exception):
    """There is no address yet; the text is a sentence."""


class _Unreachable(Exception):
    """There is no address, and waiting changes nothing; the text is a sentence."""


def find_address(
    cluster: Cluster,
    changes: Sequence[ObjectChange],
    *,
    timeout: float,
    note: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, tuple[str, ...]]:
    """Return the address of what was applied, and warnings on what is not reached; wait while it may still come.

    A route counts before a Gateway, that before an Ingress, and that before a Service; among several of a kind, the
    first in the manifests.

    Args:
        cluster: to query.
        changes: the applied changes; objects that expose nothing are ignored.
        timeout: the longest wait in seconds.
        note: called with what is waited for, when it changes.
        clock: returns seconds.
        sleep: waits a number of seconds.

    Returns:
        A URL, or an empty string; and sentences.

    Raises:
        S3CError: as `Cluster.request` does.
    """
    targets = exposing_targets(changes)
    started = stable_since = clock()
    exposures: list[Exposure] = []
    reported: set[str] = set()
    pause, longest = POLL
    while True:
        earlier = exposures
        exposures = [
            exposure for target in targets if (exposure := assess(cluster, target, read_object(cluster, target)))
        ]
        now = clock()
        if exposures != earlier:
            stable_since = now
        undecided = next((index for index, exposure in enumerate(exposures) if exposure.pending), len(exposures))
        best = next((index for index, exposure in enumerate(exposures) if exposure.url), None)
        is_decided = undecided == len(exposures) or (best is not None and best < undecided)
        is_clean = not exposures or (best is not None and not exposures[best].problems)
        if now - started >= timeout or (is_decided and (is_clean or now - stable_since >= SETTLE_SECONDS)):
            break
        for problem in (problem for exposure in exposures for problem in exposure.problems):
            if problem not in reported:
                reported.add(problem)
                note(problem)
        sleep(pause)
        pause = min(pause * 1.5, longest)
    warnings = [
        problem for exposure in exposures if best is None or not exposure.pending for problem in exposure.problems
    ]
    return exposures[best].url if best is not None else "", tuple(dict.fromkeys(warnings))


def exposing_targets(changes: Iterable[ObjectChange]) -> list[ApplyTarget]:
    """Return the applied objects that may expose the application, in the order in which they count."""
    targets = [
        change.target
        for change in changes
        if change.action != "pruned"
        and (change.target.group, change.target.kind) in _RANKS
        and (change.target.kind != "Service" or (change.after.get("spec") or {}).get("type") == "LoadBalancer")
    ]
    parents = {
        key
        for target in targets
        if target.kind in _ROUTES
        for reference in (target.document.get("spec") or {}).get("parentRefs") or ()
        if (key := _parent_key(reference, target.namespace))[:2] == (GATEWAY_GROUP, "Gateway")
    }
    # A Gateway is assessed with its routes.
    alone = [
        target
        for target in targets
        if not any(key[:4] == (GATEWAY_GROUP, target.kind, target.namespace, target.name) for key in parents)
    ]
    return sorted(alone, key=lambda target: _RANKS.index((target.group, target.kind)))


def assess(cluster: Cluster, target: ApplyTarget, live: KubernetesObject | None) -> Exposure | None:
    """Return where an object exposes the application, from its state in the API; None when it is not meant to.

    Raises:
        S3CError: as `Cluster.request` does.
    """
    if live is None:
        return Exposure(problems=(f"{target.where} was deleted after it was applied.",))
    if target.kind in _ROUTES:
        return _assess_route(cluster, target, live)
    try:
        if target.kind == "Gateway":
            url = _gateway_url(live, _listeners(live, target.kind), ("",))
        elif target.kind == "Ingress":
            url = _ingress_url(live)
        else:
            url = _service_url(live)
    except _Wait as missing:
        return Exposure(problems=(f"{target.where} {missing}{_last_warning(cluster, target, live)}",), pending=True)
    except _Unreachable as missing:
        return Exposure(problems=(f"{target.where} {missing}",))
    return Exposure(url=url)


def _last_warning(cluster: Cluster, target: ApplyTarget, live: KubernetesObject) -> str:
    """Return the newest warning about an object as a sentence; empty without one, or when events may not be listed."""
    try:
        events = warning_events(cluster, target, live)
    except ApiError as error:
        if error.status != 403:
            raise
        return ""
    return f" The last warning: {_short(events[0]).rstrip('.')}." if events else ""


def _assess_route(cluster: Cluster, target: ApplyTarget, live: KubernetesObject) -> Exposure | None:
    """Return where a route's Gateways expose it: the first address counts; problems of every Gateway are reported."""
    published = [entry for entry in (live.get("status") or {}).get("parents") or () if isinstance(entry, dict)]
    references = (live.get("spec") or {}).get("parentRefs") or [entry.get("parentRef") or {} for entry in published]
    url, problems, pending, external = "", [], False, False
    for reference in references:
        key = _parent_key(reference, target.namespace)
        group, kind, namespace, name = key[:4]
        if (group, kind) == ("", "Service"):
            continue  # a route within a service mesh
        external = True
        try:
            if (group, kind) != (GATEWAY_GROUP, "Gateway"):
                raise _Unreachable(f"has the parent {kind} {name}: s3c reads the addresses of Gateways alone.")
            accepted = _accepted_parent(live, published, key, f"Gateway {namespace}/{name}", target.namespace)
            problems += [f"{target.where} {problem}" for problem in _reference_problems(accepted, live)]
            route_url = _route_url(cluster, target, live, key)
            url = url or route_url
        except _Wait as missing:
            problems.append(f"{target.where} {missing}")
            pending = True
        except _Unreachable as missing:
            problems.append(f"{target.where} {missing}")
    if not external:
        return None if references else Exposure(problems=(f"{target.where} names no Gateway in `parentRefs`.",))
    return Exposure(url=url, problems=tuple(dict.fromkeys(problems)), pending=pending and not url)


def _parent_key(reference: Mapping[str, Any], namespace: str) -> tuple[str, str, str, str, str, int]:
    """Return a parent reference with its defaults filled in: group, kind, namespace, name, section and port."""
    return (
        str(reference["group"] if reference.get("group") is not None else GATEWAY_GROUP),
        str(reference.get("kind") or "Gateway"),
        str(reference.get("namespace") or namespace),
        str(reference.get("name") or ""),
        str(reference.get("sectionName") or ""),
        int(reference.get("port") or 0),
    )


def _accepted_parent(
    live: KubernetesObject,
    published: Sequence[Mapping[str, Any]],
    key: tuple[str, str, str, str, str, int],
    gateway: str,
    namespace: str,
) -> Mapping[str, Any]:
    """Return a parent's entry in a route's status that is accepted; several controllers may each have written one."""
    entries = [entry for entry in published if _parent_key(entry.get("parentRef") or {}, namespace) == key]
    rejected = ""
    for entry in entries:
        condition = _condition(entry, "Accepted", live)
        if condition.get("status") == "True":
            return entry
        if condition.get("status") == "False" and condition.get("reason") != "Pending":
            remedy = _ROUTE_REMEDIES.get(str(condition.get("reason")), "")
            rejected = f"is not accepted by {gateway}: {_reason(condition)} {remedy}".strip()
    if rejected:
        raise _Unreachable(rejected)
    raise _Wait(f"waits for {gateway}: its controller has not accepted the route yet.")


def _reference_problems(entry: Mapping[str, Any], live: KubernetesObject) -> Iterator[str]:
    resolved = _condition(entry, "ResolvedRefs", live)
    if resolved.get("status") == "False":
        remedy = _ROUTE_REMEDIES.get(str(resolved.get("reason")), "")
        yield (f"refers to what cannot be resolved, and requests fail: {_reason(resolved)} {remedy}").strip()
    partial = _condition(entry, "PartiallyInvalid", live)
    if partial.get("status") == "True":
        yield f"is accepted in part: {_reason(partial)}"


def _route_url(
    cluster: Cluster, target: ApplyTarget, live: KubernetesObject, key: tuple[str, str, str, str, str, int]
) -> str:
    """Return the URL of an accepted route on one of its Gateways; raise _Wait or _Unreachable."""
    _, _, namespace, name, section, port = key
    gateway_name = f"Gateway {namespace}/{name}"
    try:
        gateway = cluster.get(cluster.resource(GATEWAY_VERSION, "Gateway"), name, namespace)
    except ApiError as error:
        if error.status != 403:
            raise
        raise _Unreachable(
            f"is accepted by {gateway_name}, which the account may not read, so its address is not known. Bind it a "
            "role with the verb `get` on `gateways` (manifests/rbac/gate-reader.yaml)."
        ) from error
    except InputError as error:
        raise _Unreachable(f"names {gateway_name}, and {error.what}") from error
    if gateway is None:
        raise _Unreachable(f"names {gateway_name}, which does not exist.")
    listeners = [
        listener
        for listener in _listeners(gateway, target.kind)
        if (not section or listener.get("name") == section)
        and (not port or listener.get("port") == port)
        and _admits(cluster, listener, namespace, target)
    ]
    try:
        return _gateway_url(gateway, listeners, (live.get("spec") or {}).get("hostnames") or ("",))
    except _Wait as missing:
        raise _Wait(f"is not reached yet: {gateway_name} {missing}") from missing
    except _Unreachable as missing:
        raise _Unreachable(f"is not reached: {gateway_name} {missing}") from missing


def _listeners(gateway: KubernetesObject, kind: str) -> list[Mapping[str, Any]]:
    """Return the listeners whose protocol carries a kind of route; for a Gateway, those of any route."""
    protocols = _ROUTES.get(kind) or frozenset().union(*_ROUTES.values())
    return [
        listener
        for listener in (gateway.get("spec") or {}).get("listeners") or ()
        if listener.get("protocol") in protocols
    ]


def _admits(cluster: Cluster, listener: Mapping[str, Any], gateway_namespace: str, route: ApplyTarget) -> bool:
    """Return whether a listener takes routes of a kind and namespace."""
    allowed = listener.get("allowedRoutes") or {}
    kinds = allowed.get("kinds") or ()
    if kinds and not any(
        entry.get("kind") == route.kind and (entry.get("group", GATEWAY_GROUP) or "") == GATEWAY_GROUP
        for entry in kinds
    ):
        return False
    namespaces = allowed.get("namespaces") or {}
    source = namespaces.get("from") or "Same"
    if source == "Selector":
        try:
            live = cluster.get(_NAMESPACES, route.namespace) or {}
        except ApiError as error:
            if error.status != 403:
                raise
            return True  # the controller has accepted the route
        return _selects(namespaces.get("selector") or {}, (live.get("metadata") or {}).get("labels") or {})
    return source == "All" or (source == "Same" and route.namespace == gateway_namespace)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for expression in selector.get("matchExpressions") or ():
        key, values = expression.get("key"), expression.get("values") or ()
        matches = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not matches.get(expression.get("operator"), False):
            return False
    return True


def _gateway_url(gateway: KubernetesObject, listeners: Sequence[Mapping[str, Any]], hostnames: Sequence[str]) -> str:
    """Return the URL of the first hostname that a listener serves, HTTPS first; raise _Wait or _Unreachable."""
    _check_gateway(gateway)
    status = gateway.get("status") or {}
    conditions = {entry.get("name"): entry for entry in status.get("listeners") or ()}
    faults, served = [], []
    for listener in listeners:
        if fault := _listener_fault(conditions.get(listener.get("name")) or {}, gateway):
            faults.append(f"Its listener {listener.get('name')} is not usable: {fault}")
            continue
        hosts = [_common_host(name, str(listener.get("hostname") or "")) for name in hostnames]
        served += [(listener, host) for host in hosts if host is not None]
    if not served:
        raise _Unreachable(" ".join(["has no listener that serves it.", *faults]))
    addresses = [address for entry in status.get("addresses") or () if (address := _address(entry))]
    if not addresses:
        raise _Wait("has no address yet.")
    served.sort(key=lambda entry: (entry[1].startswith("*"), entry[0].get("protocol") == "HTTP", not entry[1]))
    listener, host = served[0]
    if host.startswith("*"):
        raise _Unreachable(f"answers at {addresses[0]} for every name below {host[2:]}: which is used is not known.")
    scheme = "http" if listener.get("protocol") == "HTTP" else "https"
    return _url(scheme, host or addresses[0], int(listener.get("port") or 0))


def _check_gateway(gateway: KubernetesObject) -> None:
    for kind in ("Accepted", "Programmed"):
        condition = _condition(gateway.get("status") or {}, kind, gateway)
        reason = str(condition.get("reason") or "")
        if condition.get("status") == "False" and reason not in _TEMPORARY:
            raise _Unreachable(f"is not {kind.lower()}: {_reason(condition)}")
        if condition.get("status") == "False":
            raise _Wait(f"is not {kind.lower()} yet: {_reason(condition)}")
        if condition.get("status") != "True":
            name = (gateway.get("spec") or {}).get("gatewayClassName")
            raise _Wait(
                f"is not {kind.lower()} yet. If that lasts, the controller of its GatewayClass {name} is missing: look "
                "at `kubectl get gatewayclass`."
            )


def _listener_fault(status: Mapping[str, Any], gateway: KubernetesObject) -> str:
    """Return why a listener takes no requests; empty when nothing says so."""
    if (conflicted := _condition(status, "Conflicted", gateway)).get("status") == "True":
        return _reason(conflicted)
    for kind in ("Accepted", "ResolvedRefs", "Programmed"):
        condition = _condition(status, kind, gateway)
        # A kind of route that is not supported leaves the others working.
        if condition.get("status") == "False" and condition.get("reason") not in {*_TEMPORARY, "InvalidRouteKinds"}:
            return _reason(condition)
    return ""


def _common_host(route: str, listener: str) -> str | None:
    """Return the more specific of two hostnames, empty for any; None when they have no name in common.

    A wildcard label stands for one label or more.
    """
    if not route or not listener or route == listener:
        return route or listener
    for pattern, name in ((route, listener), (listener, route)):
        if pattern.startswith("*.") and name.removeprefix("*").endswith(pattern[1:]):
            return name
    return None


def _condition(status: Mapping[str, Any], kind: str, owner: KubernetesObject) -> Mapping[str, Any]:
    """Return a condition; empty when there is none for the current generation of the object."""
    generation = int((owner.get("metadata") or {}).get("generation") or 0)
    for condition in status.get("conditions") or ():
        observed = condition.get("observedGeneration")
        if condition.get("type") == kind and (observed is None or int(observed) >= generation):
            return dict(condition)
    return {}


def _reason(condition: Mapping[str, Any]) -> str:
    message = _short(str(condition.get("message") or ""))
    return f"{condition.get('reason')} ({message.rstrip('.')})." if message else f"{condition.get('reason')}."


def _short(text: str) -> str:
    return " ".join(text.split())[:300]


def _address(entry: Mapping[str, Any]) -> str:
    """Return a Gateway's IP address or hostname; other types of address are an implementation's own."""
    return str(entry.get("value") or "") if entry.get("type", "IPAddress") in {"IPAddress", "Hostname"} else ""


def _url(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" + (f":{port}" if port and port != _DEFAULT_PORTS[scheme] else "")


def _ingress_url(live: KubernetesObject) -> str:
    """Return an Ingress's first hostname, which DNS may know before the load balancer does, else its address."""
    spec = live.get("spec") or {}
    hosts = [str(rule["host"]) for rule in spec.get("rules") or () if rule.get("host")]
    tls = [entry.get("hosts") or () for entry in spec.get("tls") or ()]
    for host in hosts:
        if not host.startswith("*"):
            is_secure = any(not names or any(_common_host(host, name) for name in names) for names in tls)
            return _url("https" if is_secure else "http", host, 0)
    points = _load_balancer_points(live)
    if hosts and len(hosts) == len(spec.get("rules") or ()):
        raise _Unreachable(f"answers at {points[0]} for every name below {hosts[0][2:]}: which is used is not known.")
    return _url("https" if any(not names for names in tls) else "http", points[0], 0)


def _service_url(live: KubernetesObject) -> str:
    """Return the URL of a load balancer's port: one that is HTTP by its name or number, else the first of TCP."""
    ports = [port for port in (live.get("spec") or {}).get("ports") or () if port.get("protocol", "TCP") == "TCP"]
    if not ports:
        raise _Unreachable("has no TCP port.")
    chosen = next((port for port in ports if _web_scheme(port)), ports[0])
    return _url(_web_scheme(chosen) or "http", _load_balancer_points(live)[0], int(chosen.get("port") or 0))


def _web_scheme(port: Mapping[str, Any]) -> str:
    for text in (str(port.get("appProtocol") or ""), str(port.get("name") or "")):
        words = text.lower().replace("/", "-").split("-")
        if {"https", "wss"} & set(words):
            return "https"
        if {"http", "http2", "h2c", "ws", "grpc", "web"} & set(words):
            return "http"
    return next((scheme for scheme, number in _DEFAULT_PORTS.items() if port.get("port") == number), "")


def _load_balancer_points(live: KubernetesObject) -> list[str]:
    points = ((live.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    faults = [str(port["error"]) for point in points for port in point.get("ports") or () if port.get("error")]
    if faults:
        raise _Unreachable(f"has a load balancer that failed: {_short(faults[0])}.")
    names = [str(point.get("hostname") or point.get("ip") or "") for point in points]
    if not any(names):
        raise _Wait("has no address yet: the load balancer is pending.")
    return [name for name in names if name]
