"""Requests to Azure's services are sent again while these are busy, by the real clients, POST as well as GET."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from s3c_actions.azure import kubernetes_service
from s3c_actions.azure.container_registry import AzureLogin
from s3c_actions.azure.kubernetes_service import AksCluster
from s3c_actions.azure.retries import MAX_RETRY_AFTER, MAX_WAIT, PATIENCE
from s3c_actions.azure.tries import MAX_TRIES
from s3c_actions.azure.vault import Vault, VaultCertificate
from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.progress import Silent
from s3c_actions.core.secrets import Secrets
from s3c_lab.certificates import Identity
from tests.support.azure import vault as stand_in
from tests.support.azure.entra import MANAGEMENT
from tests.support.azure.in_process import Network, network
from tests.support.azure.web import Answer, Request, json_answer, throttled

CLUSTER = AksCluster(subscription="s", group="g", name="n")
KUBECONFIG = b'{"users": [], "clusters": []}'


@dataclass
class Service:
    """Answers with each of `failures` before it gives its answer."""

    answer: Answer
    failures: list[Answer] = field(default_factory=list)
    asked: int = 0

    def __call__(self, _: Request) -> Answer:
        self.asked += 1
        return self.failures.pop(0) if self.failures else self.answer


@dataclass
class Posting:
    """A POST of ours: what sends it, what answers, and how often it was asked."""

    send: Callable[[], object]
    failures: list[Answer]
    asked: Callable[[], int]


def signing(net: Network, identity: Identity) -> Posting:
    key_vault = stand_in.Vault("kv-voting", net.entra, rights={net.application.object: stand_in.SIGNER})
    version = key_vault.add("signing", identity)
    net.sites.applications[key_vault.host] = key_vault
    vault = Vault(key_vault.host, net.identity(), Silent())
    certificate = VaultCertificate(
        vault=key_vault.host,
        name="signing",
        version=version.version,
        key_id=f"{key_vault.url}/keys/signing/{version.version}",
        chain=identity.chain,
    )
    return Posting(
        lambda: vault.sign(certificate, "ES256", bytes(32)),
        key_vault.failures,
        lambda: len(net.asked(f"{version.version}/sign")),
    )


def logging_in(net: Network, _: Identity) -> Posting:
    net.entra.resources.add("https://containerregistry.azure.net")
    service = Service(json_answer({"refresh_token": "a.b.c"}))
    net.sites.applications["acrvoting.azurecr.io"] = service
    login = AzureLogin(net.identity, Secrets(), Silent())
    return Posting(lambda: login("acrvoting.azurecr.io"), service.failures, lambda: service.asked)


def reaching(net: Network, _: Identity) -> Posting:
    net.entra.resources.add(MANAGEMENT)
    value = base64.b64encode(KUBECONFIG).decode()
    service = Service(json_answer({"kubeconfigs": [{"name": "clusterUser", "value": value}]}))
    net.sites.applications["management.azure.com"] = service
    return Posting(
        lambda: kubernetes_service.fetch_access(CLUSTER, net.identity(), Secrets()),
        service.failures,
        lambda: service.asked,
    )


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Network:
    return network(monkeypatch)


@pytest.fixture(params=[signing, logging_in, reaching])
def posting(request: pytest.FixtureRequest, net: Network, identity: Identity) -> Posting:
    posting: Posting = request.param(net, identity)
    return posting


FAULTS = {
    "429": throttled(),
    "429, an absurd Retry-After": throttled(Retry_After="31536000"),
    "429, a Retry-After without end": throttled(Retry_After="1e999"),
    "429, no number": throttled(Retry_After="soon"),
    "429, not a number": throttled(Retry_After="nan"),
    "429, a negative one": throttled(Retry_After="-5"),
    "429, a date long ago": throttled(Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    "429, a date far off": throttled(Retry_After="Wed, 21 Oct 2099 07:28:00 GMT"),
    **{str(status): Answer(status, b"<html>no JSON</html>") for status in (408, 500, 502, 503, 504)},
    "no answer": Answer(broken=0),
    "an answer that breaks off": Answer(200, b'{"value": "aGFsZiBhIHNpZ25hdHVyZQ"}', broken=9),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_post_is_sent_again_until_it_is_answered(posting: Posting, net: Network, fault: str) -> None:
    posting.failures += [FAULTS[fault]] * (MAX_TRIES - 1)
    posting.send()
    assert posting.asked() == MAX_TRIES
    # Exponential, within a quarter.
    assert len(net.waits) == MAX_TRIES - 1
    for tried, wait in enumerate(net.waits):
        assert 0.75 * min(MAX_WAIT, 2**tried) <= wait <= 1.25 * min(MAX_WAIT, 2**tried)


@pytest.mark.parametrize("fault", FAULTS)
def test_it_ends_and_says_how_often_it_was_tried(posting: Posting, net: Network, fault: str) -> None:
    posting.failures += [FAULTS[fault]] * 1000
    with pytest.raises(OutsideError) as raised:
        posting.send()
    assert posting.asked() == MAX_TRIES
    assert f"tried {MAX_TRIES} times" in str(raised.value)
    assert sum(net.waits) < PATIENCE


def test_an_answer_of_something_else_is_no_bug_of_ours(posting: Posting) -> None:
    posting.failures += [Answer(200, b"<html>Sign in to the network</html>")]
    with pytest.raises(S3CError):
        posting.send()


def test_a_retry_after_is_followed_and_the_number_of_tries_stays_true(posting: Posting, net: Network) -> None:
    posting.failures += [throttled(Retry_After="50")] * 1000
    with pytest.raises(OutsideError, match=r"tried 2 times|tried 3 times") as raised:
        posting.send()
    assert f"tried {posting.asked()} times" in str(raised.value)
    assert all(50 <= wait <= 1.25 * 50 for wait in net.waits)
    assert sum(net.waits) <= PATIENCE
    assert MAX_RETRY_AFTER > 50


def test_what_a_client_did_wrong_is_sent_once(posting: Posting, net: Network) -> None:
    posting.failures += [Answer(400, b'{"error": {"code": "BadParameter"}}', {"Retry-After": "1"})] * 2
    try:
        posting.send()
    except S3CError as error:
        assert "tried" not in str(error) or "tried once" in str(error)
    assert (posting.asked(), net.waits) == (1, [])


def test_jobs_that_are_turned_away_together_do_not_return_together(net: Network, identity: Identity) -> None:
    posting = signing(net, identity)
    for _ in range(4):
        posting.failures.append(throttled())
        posting.send()
    assert len(set(net.waits)) == 4


def test_a_name_that_leads_nowhere_is_given_up_soon(net: Network, identity: Identity) -> None:
    posting = signing(net, identity)
    del net.sites.applications["kv-voting.vault.azure.net"]
    with pytest.raises(S3CError, match="there is no vault"):
        posting.send()
    assert sum(net.waits) < 10


def test_reading_a_certificate_waits_as_well(net: Network, identity: Identity) -> None:
    key_vault = stand_in.Vault("kv-voting", net.entra, rights={net.application.object: stand_in.SIGNER}, throttled=3)
    key_vault.add("signing", identity)
    net.sites.applications[key_vault.host] = key_vault
    assert Vault(key_vault.host, net.identity(), Silent()).certificate("signing").chain == identity.chain
    assert len(net.waits) == 3


def test_a_busy_entra_id_is_waited_for_but_not_for_hours(net: Network) -> None:
    entra, failures = net.entra, [throttled(Retry_After="86400")] * 2

    def busy(request: Request) -> Answer:
        return failures.pop() if failures and request.method == "POST" else entra(request)

    net.sites.applications["login.microsoftonline.com"] = busy
    assert net.identity().credential.get_token("https://vault.azure.net/.default").token
    assert sum(net.waits) < 10
