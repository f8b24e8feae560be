"""The messages on an identity that other jobs can have as well, and on issuers that are given and wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.azure import clouds
from s3c_actions.azure.identity import Identity
from s3c_actions.options import declare
from s3c_actions.options.vault import VaultOptions
from s3c_actions.signing.certificates import CertificateError
from s3c_actions.wiring.vault import open_vault, shared_subject
from s3c_lab.certificates import make, make_authority
from tests.support.azure import vault as stand_in
from tests.support.azure.in_process import network
from tests.support.contexts import create_context

CREDENTIAL: Any = None


@pytest.mark.parametrize(
    ("subject", "shared"),
    [
        ("repo:org@9919/app@1296269:ref:refs/heads/main", True),
        ("repo:org/app:ref:refs/heads/main", True),
        ("repo:org/app:pull_request", True),
        ("repo:org/app:ref:refs/tags/environment", True),
        ("repo:org@9919/app@1296269:environment:signing", False),
        # An organization's own template.
        ("environment:signing:repository_owner_id:9919", False),
        ("job_workflow_ref:org/s3c/.github/workflows/secure-image.yml@refs/heads/main", False),
        ("", False),
    ],
)
def test_a_subject_that_is_not_one_jobs_alone_is_named(subject: str, shared: bool) -> None:
    claims = {"sub": subject} if subject else {}
    own = Identity(credential=CREDENTIAL, source="github-oidc", description="", cloud=clouds.PUBLIC, claims=claims)
    assert (f"`{subject}`" in shared_subject(own)) is shared
    other = Identity(
        credential=CREDENTIAL, source="workload-identity", description="", cloud=clouds.PUBLIC, claims=claims
    )
    assert shared_subject(other) == ""


NOW = datetime.now(UTC)
ROOT = make_authority("root")
SIGNING = make("signing", issuer=make_authority("issuing", issuer=ROOT), authority=False)
ENDED = make("ended", start=NOW - timedelta(days=9), end=NOW - timedelta(days=1), authority=True)
UNDER_ENDED = make("signing", issuer=ENDED, authority=False)


@pytest.mark.parametrize(
    ("identity", "issuers", "rule"),
    [
        (SIGNING, b"something else", "unreadable"),
        (SIGNING, SIGNING.key_pem(), "unreadable"),
        (SIGNING, ROOT.chain_pem(), "chain-incomplete"),
        (SIGNING, make_authority("stranger").chain_pem(), "chain-incomplete"),
        (SIGNING, make_authority("issuing", issuer=ROOT).chain_pem(), "chain-order"),
        (UNDER_ENDED, ENDED.chain_pem(), "expired"),
    ],
    ids=["text", "a key", "no intermediate", "a stranger's", "another's of its name", "expired"],
)
def test_a_wrong_file_of_issuers_is_named_with_its_remedy(
    identity: Any, issuers: bytes, rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network(monkeypatch)
    vault = stand_in.Vault("kv-voting", net.entra, rights={net.application.object: stand_in.ALL})
    vault.add("signing", identity)
    net.sites.applications[vault.host] = vault
    (tmp_path / "ca.pem").write_bytes(issuers)
    given = {"vault": "kv-voting", "vault-certificate": "signing", "vault-ca-certs": str(tmp_path / "ca.pem")}
    context = create_context(tmp_path, now=NOW, shared={"azure identity": net.identity()})
    with pytest.raises(CertificateError) as raised:
        open_vault(declare.read(VaultOptions, given, {}, lambda _notice: None), context)
    assert (raised.value.field, raised.value.rule) == ("vault-ca-certs", rule)
    assert "the issuers' certificates" in raised.value.remedy
    assert "signing certificate" not in raised.value.remedy
