"""Where the application is reached, from the states of routes, Gateways, Ingresses and Services in the API."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiClient

from s3c_actions.cluster import addresses
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import ApiError, Cluster, Resource
from s3c_actions.core.errors import InputError

GATEWAY = {"apiVersion": addresses.GATEWAY_VERSION, "kind": "Gateway"}
READY = ({"type": "Accepted", "status": "True"}, {"type": "Programmed", "status": "True"})
ADDRESS = {"type": "IPAddress", "value": "20.1.2.3"}
HTTP = {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": {"namespaces": {"from": "All"}}}
HTTPS = {**HTTP, "name": "https", "protocol": "HTTPS", "port": 443}


class Api(Cluster):
    """A cluster that holds these objects and nothing else; `denied` are the plurals that may not be read."""

    def __init__(self, *objects: dict[str, Any], denied: tuple[str, ...] = ()) -> None:
        super().__init__(ApiClient(), address="https://cluster.test")
        self.denied = denied
        self.asked: list[str] = []
        self.objects = {self.place(entry): entry for entry in objects}

    @staticmethod
    def place(document: dict[str, Any]) -> str:
        resource = resource_of(document)
        return resource.url(document["metadata"].get("namespace", ""), document["metadata"]["name"])

    def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        self.asked.append(path)
        if any(f"/{plural}" in path for plural in self.denied):
            raise ApiError(403, "Forbidden", "no", what="The cluster does not let you.")
        if path == f"/apis/{addresses.GATEWAY_VERSION}":
            return {"resources": [{"kind": "Gateway", "name": "gateways", "namespaced": True}]}
        if path.endswith("/events"):
            return {"items": [entry for entry in self.objects.values() if entry["kind"] == "Event"]}
        if path not in self.objects:
            raise ApiError(404, "NotFound", "", what="It is not there.")
        return self.objects[path]


def resource_of(document: dict[str, Any]) -> Resource:
    group = document["apiVersion"]
    plural = {"Ingress": "ingresses"}.get(document["kind"], f"{document['kind'].lower()}s")
    namespaced = document["kind"] not in {"Namespace", "GatewayClass"}
    return Resource(path=f"/apis/{group}" if "/" in group else f"/api/{group}", plural=plural, namespaced=namespaced)


def change_of(document: dict[str, Any], action: str = "created") -> ObjectChange:
    namespace = document["metadata"].get("namespace", "")
    target = ApplyTarget(document=document, resource=resource_of(document), namespace=namespace, source="app.yaml")
    return ObjectChange(target=target, action=action, before=None, after=document)


class Clock:
    """Time that passes when somebody sleeps; `events` are called at their second."""

    def __init__(self, *events: tuple[float, Any]) -> None:
        self.now, self.events = 0.0, list(events)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for event in [event for event in self.events if event[0] <= self.now]:
            self.events.remove(event)
            event[1]()


def find(api: Api, *documents: dict[str, Any], clock: Clock | None = None, timeout: float = 60):
    clock = clock or Clock()
    changes = [change_of(document) for document in documents]
    return addresses.find_address(api, changes, timeout=timeout, note=lambda _: None, clock=clock, sleep=clock.sleep)


def gateway(*listeners: dict[str, Any], **more: Any) -> dict[str, Any]:
    metadata = {"name": "voting", "namespace": "gateways", "uid": "g", "generation": 1}
    status = {"conditions": list(READY), "addresses": [ADDRESS], **more.pop("status", {})}
    return {**GATEWAY, "metadata": {**metadata, **more}, "spec": {"listeners": listeners or (HTTP,)}, "status": status}


def parent(name: str = "voting", namespace: str = "gateways", **more: Any) -> dict[str, Any]:
    return {"group": addresses.GATEWAY_GROUP, "kind": "Gateway", "name": name, "namespace": namespace, **more}


def route(*references: dict[str, Any], hostnames: tuple[str, ...] = (), kind: str = "HTTPRoute", **more: Any):
    """A route that every one of its parents has accepted."""
    references = references or (parent(),)
    conditions = [
        {"type": name, "status": "True", "observedGeneration": 1, "reason": name}
        for name in ("Accepted", "ResolvedRefs")
    ]
    published = [{"parentRef": reference, "controllerName": "x", "conditions": conditions} for reference in references]
    return {
        "apiVersion": addresses.GATEWAY_VERSION,
        "kind": kind,
        "metadata": {"name": "app", "namespace": "voting", "uid": "r", "generation": 1},
        "spec": {"parentRefs": list(references), **({"hostnames": list(hostnames)} if hostnames else {})},
        "status": {"parents": more.pop("parents", published)},
        **more,
    }


def answered(reason: str, status: str = "False", kind: str = "Accepted", generation: int = 1, **more: Any):
    """A status of the route in which the one Gateway has answered so."""
    condition = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "because\nof this.",
        "observedGeneration": generation,
    }
    others = [] if kind == "Accepted" else [{"type": "Accepted", "status": "True", "observedGeneration": 1}]
    return [{"parentRef": {**parent(), **more}, "controllerName": "x", "conditions": [*others, condition]}]


def service(*ports: dict[str, Any], points: Any = ({"ip": "20.1.2.3"},), kind: str = "LoadBalancer") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "app", "namespace": "voting", "uid": "s"},
        "spec": {"type": kind, "ports": list(ports) or [{"port": 80}]},
        "status": {"loadBalancer": {"ingress": list(points)}},
    }


def ingress(*hosts: str, tls: Any = (), points: Any = ({"ip": "20.1.2.3"},)) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "app", "namespace": "voting", "uid": "i"},
        "spec": {"rules": [{"host": host} if host else {"http": {}} for host in hosts], "tls": list(tls)},
        "status": {"loadBalancer": {"ingress": list(points)}},
    }


@pytest.mark.parametrize(
    ("listeners", "hostnames", "expected"),
    [
        ((HTTP,), (), "http://20.1.2.3"),
        ((HTTP, HTTPS), (), "https://20.1.2.3"),
        (({**HTTP, "port": 8080},), (), "http://20.1.2.3:8080"),
        (({**HTTPS, "port": 8443},), ("app.example",), "https://app.example:8443"),
        ((HTTP,), ("app.example", "other.example"), "http://app.example"),
        (({**HTTP, "hostname": "app.example"},), (), "http://app.example"),
        (({**HTTP, "hostname": "*.example"},), ("app.example",), "http://app.example"),
        (({**HTTP, "hostname": "*.example"},), ("elsewhere.test", "a.b.example"), "http://a.b.example"),
        (({**HTTP, "hostname": "app.example"},), ("*.example",), "http://app.example"),
        # A name that can be opened goes before a wildcard, whatever their order.
        ((HTTP,), ("*.example", "app.example"), "http://app.example"),
        # The certificate of the HTTPS listener is another's: its name counts there alone.
        (({**HTTPS, "hostname": "other.example"}, HTTP), ("app.example",), "http://app.example"),
    ],
)
def test_the_url_of_a_route(listeners, hostnames, expected):
    document = route(hostnames=hostnames)
    assert find(Api(document, gateway(*listeners)), document) == (expected, ())


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "Hostname", "value": "lb.azure.example"}, "http://lb.azure.example"),
        ({"value": "20.1.2.3"}, "http://20.1.2.3"),
        ({"type": "IPAddress", "value": "2001:db8::1"}, "http://[2001:db8::1]"),
    ],
)
def test_types_of_addresses(entry, expected):
    document = route()
    named = {"type": "NamedAddress", "value": "vip"}
    api = Api(document, gateway(status={"addresses": [named, entry]}))
    assert find(api, document) == (expected, ())


@pytest.mark.parametrize(
    ("reference", "listeners", "expected"),
    [
        (parent(sectionName="tls"), (HTTP, {**HTTPS, "name": "tls"}), "https://20.1.2.3"),
        (parent(sectionName="http"), (HTTPS, HTTP), "http://20.1.2.3"),
        (parent(port=8080), (HTTP, {**HTTP, "name": "b", "port": 8080}), "http://20.1.2.3:8080"),
    ],
)
def test_a_route_on_some_of_the_listeners(reference, listeners, expected):
    document = route(reference)
    assert find(Api(document, gateway(*listeners)), document) == (expected, ())


@pytest.mark.parametrize(
    ("allowed", "is_served"),
    [
        ({"namespaces": {"from": "All"}}, True),
        ({"namespaces": {"from": "Same"}}, False),
        ({}, False),
        ({"namespaces": {"from": "None"}}, False),
        ({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}}, True),
        ({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "x"}}}}, False),
        (
            {
                "namespaces": {
                    "from": "Selector",
                    "selector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["shop"]}]},
                }
            },
            False,
        ),
        ({"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}]}, False),
        ({"namespaces": {"from": "All"}, "kinds": [{"kind": "HTTPRoute"}]}, True),
    ],
)
def test_a_listener_that_does_not_admit_the_route_gives_it_no_address(allowed, is_served):
    """The route is accepted because of another listener, which is HTTP."""
    document = route(hostnames=("app.example",))
    labels = {"metadata": {"name": "voting", "labels": {"team": "shop"}}, "apiVersion": "v1", "kind": "Namespace"}
    api = Api(document, gateway(HTTP, {**HTTPS, "allowedRoutes": allowed}), labels)
    assert find(api, document) == (f"{'https' if is_served else 'http'}://app.example", ())


def test_the_first_gateway_that_is_ready_counts_and_the_others_are_reported():
    other = gateway(name="inside", status={"addresses": []})
    document = route(parent("inside"), parent("gone"), parent())
    url, warnings = find(Api(document, gateway(), other), document)
    assert url == "http://20.1.2.3"
    assert [text.partition(" names ")[2] for text in warnings if "gone" in text] == [
        "Gateway gateways/gone, which does not exist."
    ]


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("NotAllowedByListeners", "allowedRoutes"),
        ("NoMatchingListenerHostname", "hostnames"),
        ("NoMatchingParent", "sectionName"),
        ("example.com/Other", ""),
    ],
)
def test_a_route_that_is_not_accepted_is_reported_with_its_reason(reason, remedy):
    clock = Clock()
    document = route(parents=answered(reason))
    url, (warning,) = find(Api(document, gateway()), document, clock=clock)
    assert not url
    assert warning.startswith(
        f"HTTPRoute voting/app is not accepted by Gateway gateways/voting: {reason} (because of this)."
    )
    assert remedy in warning
    assert addresses.SETTLE_SECONDS <= clock.now < 30, "a rejection is not waited out"


def test_what_the_controller_has_not_seen_yet_is_waited_for():
    """A rejection of the earlier version, then nothing, then the Gateway, then its address."""
    api = Api(route(parents=answered("NoMatchingParent", generation=0)), gateway(status={"conditions": []}))
    place, home = Api.place(route()), Api.place(gateway())
    clock = Clock(
        (20, lambda: api.objects.update({place: route(parents=answered("Pending", "Unknown"))})),
        (25, lambda: api.objects.update({place: route()})),
        (30, lambda: api.objects.update({home: gateway(status={"addresses": []})})),
        (35, lambda: api.objects.update({home: gateway()})),
    )
    assert find(api, route(), clock=clock) == ("http://20.1.2.3", ())
    assert 35 <= clock.now < 40


def test_a_route_whose_backend_is_not_there_keeps_its_address_with_a_warning():
    document = route(parents=answered("BackendNotFound", kind="ResolvedRefs"))
    url, (warning,) = find(Api(document, gateway()), document)
    assert url == "http://20.1.2.3"
    assert "requests fail: BackendNotFound (because of this). Compare `backendRefs`" in warning
    part = route(parents=answered("UnsupportedValue", "True", kind="PartiallyInvalid"))
    url, (warning,) = find(Api(part, gateway()), part)
    assert url
    assert "is accepted in part: UnsupportedValue" in warning


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"conditions": []}, "is not accepted yet. If that lasts, the controller of its GatewayClass"),
        ({"conditions": [READY[0]]}, "is not programmed yet."),
        (
            {"conditions": [READY[0], {"type": "Programmed", "status": "False", "reason": "AddressNotAssigned"}]},
            "is not programmed yet: AddressNotAssigned.",
        ),
        (
            {"conditions": [READY[0], {"type": "Programmed", "status": "False", "reason": "Invalid", "message": "x"}]},
            "is not programmed: Invalid (x).",
        ),
        (
            {"conditions": [{"type": "Accepted", "status": "False", "reason": "UnsupportedAddress"}]},
            "is not accepted: UnsupportedAddress.",
        ),
        ({"addresses": []}, "has no address yet."),
        (
            {
                "listeners": [
                    {
                        "name": "http",
                        "conditions": [{"type": "ResolvedRefs", "status": "False", "reason": "InvalidCertificateRef"}],
                    }
                ]
            },
            "Its listener http is not usable: InvalidCertificateRef.",
        ),
    ],
)
def test_a_gateway_that_is_not_ready(status, expected):
    """Alone, and by its route."""
    own, document = gateway(status=status), route()
    for applied, api in ((document, Api(document, own)), (own, Api(own))):
        url, warnings = find(api, applied, timeout=30)
        assert not url
        assert len(warnings) == 1
        assert expected in warnings[0]


def test_a_gateway_without_a_route_has_an_address():
    own = gateway({**HTTP, "hostname": "app.example"})
    assert find(Api(own), own) == ("http://app.example", ())


def test_a_gateway_beside_its_route_is_not_reported_twice():
    own, document = gateway(status={"addresses": []}), route()
    assert len(find(Api(own, document), own, document)[1]) == 1
    assert find(Api(gateway(), document), gateway(), document) == ("http://20.1.2.3", ())


def test_a_gateway_that_may_not_be_read_is_reported_with_the_role_that_is_missing():
    document = route()
    url, (warning,) = find(Api(document, gateway(), denied=("gateways",)), document)
    assert not url
    assert "may not read" in warning
    assert "gate-reader.yaml" in warning


def test_a_wildcard_is_no_address():
    document = route(hostnames=("*.example.com",))
    url, (warning,) = find(Api(document, gateway()), document)
    assert not url
    assert "answers at 20.1.2.3 for every name below example.com" in warning
    own = ingress("*.example.com")
    url, (warning,) = find(Api(own), own)
    assert not url
    assert "every name below example.com" in warning
    both = ingress("*.example.com", "app.example.com")
    assert find(Api(both), both) == ("http://app.example.com", ())


def test_routes_within_a_mesh_and_parents_of_other_kinds():
    mesh = route({"group": "", "kind": "Service", "name": "app"})
    assert find(Api(mesh), mesh) == ("", ())
    other = route({"kind": "ListenerSet", "name": "more"})
    url, (warning,) = find(Api(other), other)
    assert not url
    assert "the parent ListenerSet more" in warning
    alone = route()
    alone["spec"] = {}
    alone["status"] = {}
    assert "names no Gateway" in find(Api(alone), alone)[1][0]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (service(), "http://20.1.2.3"),
        (service({"port": 443}), "https://20.1.2.3"),
        (service({"port": 8080}), "http://20.1.2.3:8080"),
        (service({"port": 9000, "name": "metrics"}, {"port": 8443, "name": "https"}), "https://20.1.2.3:8443"),
        (service({"port": 9000}, {"port": 8080, "appProtocol": "kubernetes.io/h2c"}), "http://20.1.2.3:8080"),
        (service({"port": 53, "protocol": "UDP"}, {"port": 80, "protocol": "TCP"}), "http://20.1.2.3"),
        (service(points=[{"hostname": "lb.example"}]), "http://lb.example"),
        (service(points=[{"ip": "2001:db8::1"}]), "http://[2001:db8::1]"),
        (ingress(""), "http://20.1.2.3"),
        (ingress("app.example", points=()), "http://app.example"),
        (ingress("app.example", tls=[{"hosts": ["app.example"]}]), "https://app.example"),
        (ingress("app.example", tls=[{"hosts": ["*.example"]}]), "https://app.example"),
        (ingress("app.example", tls=[{"hosts": ["other.example"]}]), "http://app.example"),
        (ingress("", tls=[{"secretName": "tls"}], points=[{"hostname": "lb.example"}]), "https://lb.example"),
    ],
)
def test_services_and_ingresses(document, expected):
    assert find(Api(document), document) == (expected, ())


def test_a_load_balancer_that_is_pending_is_waited_for_and_then_reported_with_its_last_warning():
    document = service(points=())
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "type": "Warning",
        "metadata": {"name": "e", "namespace": "voting"},
        "lastTimestamp": "2026-11-01T00:00:00Z",
        "message": "PublicIPCountLimitReached",
    }
    clock = Clock()
    url, (warning,) = find(Api(document, event), document, clock=clock, timeout=45)
    assert not url
    assert "Service voting/app has no address yet: the load balancer is pending." in warning
    assert "The last warning: PublicIPCountLimitReached." in warning
    assert clock.now >= 45
    assert find(Api(document, denied=("events",)), document)[1]
    api = Api(document)
    later = Clock((20, lambda: api.objects.update({Api.place(document): service()})))
    assert find(api, document, clock=later) == ("http://20.1.2.3", ())


def test_a_load_balancer_that_failed():
    document = service(points=[{"ip": "20.1.2.3", "ports": [{"port": 80, "protocol": "TCP", "error": "Quota"}]}])
    assert "failed: Quota" in find(Api(document), document)[1][0]


def test_a_route_goes_before_an_ingress_and_that_before_a_service():
    documents = [service(), ingress("app.example"), route(hostnames=("route.example",))]
    api = Api(*documents, gateway())
    assert find(api, *documents)[0] == "http://route.example"
    assert find(api, *documents[:2])[0] == "http://app.example"


def test_what_exposes_nothing_is_not_asked_about():
    others = [
        service(kind="ClusterIP"),
        {**gateway(), "apiVersion": "networking.istio.io/v1"},
        {**service(), "apiVersion": "serving.knative.dev/v1"},
    ]
    api = Api(*others)
    assert find(api, *others) == ("", ())
    assert api.asked == []
    assert addresses.exposing_targets([change_of(route(), "pruned")]) == []


def test_an_object_that_is_gone_is_reported():
    assert "was deleted" in find(Api(), service())[1][0]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({}, "az aks update --resource-group GROUP --name CLUSTER --enable-gateway-api"),
        ({"gateway.networking.k8s.io": ["v1beta1"]}, "gateway.networking.k8s.io/v1beta1"),
    ],
)
def test_a_cluster_without_the_gateway_api(groups, expected):
    class Bare(Api):
        def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
            group = path.removeprefix("/apis/")
            if group in groups:
                return {"versions": [{"groupVersion": f"{group}/{version}"} for version in groups[group]]}
            raise ApiError(404, "NotFound", "", what="It is not there.")

    with pytest.raises(InputError) as caught:
        Bare().resource(addresses.GATEWAY_VERSION, "HTTPRoute")
    assert expected in f"{caught.value.cause} {caught.value.remedy}"
