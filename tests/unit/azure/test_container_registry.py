"""Which hosts are Azure's registries, who logs in to them and how, and what the error names when they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from s3c_actions.azure import identity as identities
from s3c_actions.azure.clouds import CLOUDS
from s3c_actions.azure.container_registry import AzureLogin, is_azure, login_server
from s3c_actions.azure.identity import Identity, IdentitySettings
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.progress import Silent
from s3c_actions.core.secrets import Secrets
from tests.support.azure.in_process import Network, network
from tests.support.azure.web import Answer, Request, json_answer

DOMAINS = [cloud.registries for cloud in CLOUDS]
JOB = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}
OIDC = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://oidc.example/?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Network:
    net = network(monkeypatch)
    net.entra.resources.add("https://containerregistry.azure.net")
    return net


def login(choose: Callable[[], Identity]) -> AzureLogin:
    return AzureLogin(choose, Secrets(), Silent())


def unidentified(environment: dict[str, str], **settings: str) -> AzureLogin:
    """The login of a job without an identity."""
    given = IdentitySettings(**settings)  # type: ignore[arg-type]
    return login(lambda: identities.choose(given, environment, Secrets(), probe=lambda: False))


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_hosts_of_every_cloud(domain: str) -> None:
    assert domain in {"azurecr.io", "azurecr.us", "azurecr.cn"}
    for host, server in (
        (f"acrvoting.{domain}", f"acrvoting.{domain}"),
        (f"AcrVoting.{domain}", f"acrvoting.{domain}"),
        (f"acrvoting-gqd4c7f5g3a2hzfs.{domain}", f"acrvoting-gqd4c7f5g3a2hzfs.{domain}"),
        (f"acrvoting.westeurope.geo.{domain}", f"acrvoting.{domain}"),
        (f"acrvoting-gqd4c7f5g3a2hzfs.eastus2.geo.{domain}", f"acrvoting-gqd4c7f5g3a2hzfs.{domain}"),
    ):
        assert (is_azure(host), login_server(host)) == (True, server)
    for host in (
        domain,
        f"x.{domain}",
        f"acrvoting.{domain}:443",
        f"acrvoting.{domain}.example",
        f"acrvoting.westeurope.data.{domain}",
        f"acrvoting.geo.{domain}",
        f"a.acrvoting.westeurope.geo.{domain}",
        f"acrvoting{domain}",
        f"-crvoting.{domain}",
        f"acrvoting.{domain.replace('.', '-')}",
    ):
        assert not is_azure(host)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("region", ["", ".westeurope.geo"])
def test_a_token_is_exchanged_where_the_registry_says(net: Network, domain: str, region: str) -> None:
    host = f"acrvoting-gqd4c7f5g3a2hzfs{region}.{domain}"
    forms: list[dict[str, str]] = []

    def registry(request: Request) -> Answer:
        if request.path == "/v2/":
            return Answer(
                401, headers={"Www-Authenticate": f'Bearer realm="https://{host}/oauth2/token",service="{host}"'}
            )
        forms.append(request.form())
        return json_answer({"refresh_token": "a.b.c"})

    net.sites.applications[host] = registry
    credentials = login(net.identity)(host)
    assert credentials is not None
    assert credentials.password == "a.b.c"
    (form,) = forms
    assert (form["service"], form["tenant"], form["grant_type"]) == (host, net.entra.tenant, "access_token")


@pytest.mark.parametrize(
    "realm",
    [
        "https://evil.example/oauth2/token",
        "https://another.azurecr.io/oauth2/token",
        "https://acrvoting.azurecr.us/oauth2/token",
        "https://acrvoting.azurecr.io@evil.example/oauth2/token",
        "https://acrvoting.azurecr.io:8443/oauth2/token",
        "http://acrvoting.azurecr.io/oauth2/token",
        "https://[/oauth2/token",
        "nonsense",
        "",
    ],
)
def test_a_token_goes_to_no_other_registry(net: Network, realm: str) -> None:
    host = "acrvoting.westeurope.geo.azurecr.io"

    def registry(request: Request) -> Answer:
        if request.path == "/v2/":
            return Answer(401, headers={"Www-Authenticate": f'Bearer realm="{realm}",service="x"'})
        return json_answer({"refresh_token": "a.b.c"})

    net.sites.applications |= {host: registry, "evil.example": registry, "another.azurecr.io": registry}
    login(net.identity)(host)
    assert {request.host for request in net.sites.requests if request.method == "POST"} == {
        host,
        "login.microsoftonline.com",
    }


def test_the_realm_of_a_region_may_be_the_registrys_own(net: Network) -> None:
    host, server = "acrvoting.westeurope.geo.azurecr.io", "acrvoting.azurecr.io"
    challenge = f'Bearer realm="https://{server}/oauth2/token",service="{server}"'
    net.sites.applications[host] = lambda _: Answer(401, headers={"WWW-Authenticate": challenge})
    net.sites.applications[server] = lambda _: json_answer({"refresh_token": "a.b.c"})
    assert login(net.identity)(host) is not None
    (request,) = net.asked("/oauth2/exchange")
    assert (request.host, request.form()["service"]) == (server, server)


@pytest.mark.parametrize(
    ("environment", "field"),
    [(JOB, "azure-identity"), ({**JOB, **OIDC}, "tenant-id"), ({**JOB, "AZURE_TENANT_ID": "t"}, "azure-identity")],
    ids=["a fork's pull request", "no ids", "no permission"],
)
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_job_without_an_identity_pulls_as_nobody(environment: dict[str, str], field: str, domain: str) -> None:
    exchange = unidentified(environment)
    assert exchange(f"contoso.{domain}") is None
    assert exchange(f"contoso.{domain}") is None
    # The registry lets nobody in: the error names what the job lacks.
    with pytest.raises(InputError) as raised:
        exchange.refusal(f"contoso.{domain}", "team/app", False, "authentication required")
    assert (raised.value.field, raised.value.original) == (field, "authentication required")
    assert raised.value.remedy


def test_a_machine_without_an_identity_pulls_as_nobody() -> None:
    exchange = unidentified({})
    assert exchange("contoso.azurecr.io") is None
    refusal = exchange.refusal("contoso.azurecr.io", "team/app", False, "authentication required")
    assert refusal is not None
    assert "az login" in refusal[1]


@pytest.mark.parametrize("source", ["github-oidc", "workload-identity", "environment", "azure-cli"])
def test_an_identity_that_is_asked_for_by_name_is_not_done_without(source: str) -> None:
    with pytest.raises(InputError):
        unidentified(JOB, source=source)("contoso.azurecr.io")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_another_tenants_registry_may_be_open_to_everybody(net: Network, status: int) -> None:
    net.sites.applications["contoso.azurecr.io"] = lambda _: Answer(status)
    exchange = login(net.identity)
    assert exchange("contoso.azurecr.io") is None
    assert exchange("contoso.azurecr.io") is None
    assert len(net.asked("/oauth2/exchange")) == 1
    with pytest.raises(InputError, match=net.entra.tenant) as raised:
        exchange.refusal("contoso.azurecr.io", "team/app", False, "authentication required")
    assert raised.value.field == "tenant-id"


def test_a_firewall_is_not_passed_over(net: Network) -> None:
    message = "client with IP '203.0.113.7' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."
    denied = json_answer({"errors": [{"code": "DENIED", "message": message}]}, 403)
    net.sites.applications["contoso.azurecr.io"] = lambda _: denied
    with pytest.raises(OutsideError, match=r"203\.0\.113\.7"):
        login(net.identity)("contoso.azurecr.io")


LOOK_UP = "az acr list --query \"[?loginServer=='acrvoting-gqd4c7f5g3a2hzfs.azurecr.io'].{} | [0]\" --output tsv"


@pytest.mark.parametrize(
    "host", ["acrvoting-gqd4c7f5g3a2hzfs.azurecr.io", "acrvoting-gqd4c7f5g3a2hzfs.westeurope.geo.azurecr.io"]
)
def test_remedies_find_the_registry_by_its_login_server(net: Network, host: str) -> None:
    """With a domain name label, the first part of the host is not the registry's name."""
    net.sites.applications[host] = lambda _: json_answer({"refresh_token": "a.b.c"})
    exchange = login(net.identity)
    exchange(host)
    for writes, role in ((False, "AcrPull"), (True, "AcrPush")):
        refusal = exchange.refusal(host, "team/app", writes, "authentication required")
        assert refusal is not None
        assert f"--role {role} --assignee {net.application.client} --scope" in refusal[1]
        assert LOOK_UP.format("id") in refusal[1]
        assert "acr show" not in refusal[1]
    denial = "client with IP '203.0.113.7' is not allowed access."
    firewall = exchange.refusal(host, "team/app", False, denial)
    assert firewall is not None
    assert LOOK_UP.format("name") in firewall[1]
    assert "acr show" not in firewall[1]
