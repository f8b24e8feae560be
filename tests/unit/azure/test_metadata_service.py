"""Only Azure's own metadata service counts; other clouds have one at the same address, and proxies answer for it."""

from __future__ import annotations

import json

import pytest

from s3c_actions.azure import identity
from s3c_actions.azure.identity import IdentitySettings
from s3c_actions.azure.metadata_service import MAX_BYTES, is_azure_machine
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.secrets import Secrets
from tests.support.azure.entra import instance_metadata
from tests.support.azure.in_process import Network, network
from tests.support.azure.web import Answer, Request, json_answer

ADDRESS = "169.254.169.254"


def ec2(request: Request) -> Answer:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html: no token, no answer."""
    assert "x-aws-ec2-metadata-token" not in request.headers
    return Answer(401, b'<?xml version="1.0"?><html><head><title>401 - Unauthorized</title></head></html>')


def gcp(request: Request) -> Answer:
    """https://cloud.google.com/compute/docs/metadata/querying-metadata: it asks for a header of its own."""
    assert request.headers.get("metadata-flavor") is None
    return Answer(403, b"<!DOCTYPE html><html lang=en>Missing Metadata-Flavor:Google</html>", {"Server": "GCE"})


def openstack(_: Request) -> Answer:
    """https://docs.openstack.org/nova/latest/user/metadata.html: what is below its versions, as lines."""
    return Answer(200, b"1.0\n2009-04-04\nlatest", {"Content-Type": "text/plain"})


def digital_ocean(_: Request) -> Answer:
    return Answer(404, b"not found\n")


OTHERS = {
    "EC2": ec2,
    "EC2's first version": lambda _: Answer(404, b'<?xml version="1.0"?><html>404 - Not Found</html>'),
    "GCP": gcp,
    "OpenStack": openstack,
    "DigitalOcean": digital_ocean,
    "a proxy's page": lambda _: Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    "a proxy's refusal": lambda _: Answer(403, b"connecting to 169.254.169.254:80: dial tcp: unreachable"),
    "a redirect": lambda _: Answer(302, b"", {"Location": "http://169.254.169.254/metadata/instance/elsewhere"}),
    "any JSON": lambda _: json_answer({"ok": True}),
    "JSON that is no object": lambda _: json_answer([{"compute": {}}]),
    "a compute of another kind": lambda _: json_answer({"compute": {"provider": "other"}}),
    "another API's 400": lambda _: json_answer({"error": "Bad request"}, 400),
    "busy without end": lambda _: Answer(429),
    "broken": lambda _: Answer(broken=0),
    "half of it": lambda request: Answer(200, instance_metadata(request).body, broken=20),
    "too much": lambda _: Answer(200, json.dumps({"compute": {"azEnvironment": "x" * MAX_BYTES}}).encode()),
}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Network:
    return network(monkeypatch)


@pytest.mark.parametrize("other", OTHERS)
def test_another_machine_is_not_taken_for_azures(net: Network, other: str) -> None:
    net.sites.applications[ADDRESS] = OTHERS[other]
    assert is_azure_machine() is False
    with pytest.raises(OutsideError, match="az login"):
        identity.choose(IdentitySettings(), {}, Secrets())
    assert sum(net.waits) < 5
    assert all(request.path == "/metadata/instance" for request in net.sites.requests)


def test_nothing_answers(net: Network) -> None:
    assert is_azure_machine() is False
    assert net.sites.requests == []


def test_azures_answers(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy of the environment is not asked: it would answer for its own machine.
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    net.sites.applications[ADDRESS] = instance_metadata
    assert is_azure_machine() is True
    (request,) = net.sites.requests
    assert (request.headers["metadata"], request.query) == ("true", {"api-version": "2021-02-01"})
    assert identity.choose(IdentitySettings(), {}, Secrets()).source == "managed-identity"


def test_azures_knows_other_versions(net: Network) -> None:
    error = {"error": "Bad request. api-version is invalid", "newest-versions": ["2031-01-01"]}
    net.sites.applications[ADDRESS] = lambda _: json_answer(error, 400)
    assert is_azure_machine() is True


@pytest.mark.parametrize("status", [410, 429, 500, 503])
def test_azures_is_busy_at_first(net: Network, status: int) -> None:
    failures = [Answer(status)]
    net.sites.applications[ADDRESS] = lambda request: failures.pop() if failures else instance_metadata(request)
    assert is_azure_machine() is True
