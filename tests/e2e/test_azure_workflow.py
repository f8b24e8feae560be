"""A workflow with its OIDC token and no other secret: scanned, patched, signed with a vault's key, verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from tests.e2e.test_actions import filled, result
from tests.support import act
from tests.support.azure.stage import azure as staged
from tests.support.signing import signatures

CHAIN = act.one_job(
    """
      - uses: org/s3c@v1
        id: chain
        with: &inputs
          image: IMAGE
          vault: kv-voting
          vault-certificate: signing
          tenant-id: TENANT
          client-id: CLIENT
          buildkit-addr: BUILDKIT
          trivy-cache-dir: TRIVY
          offline: true
          output-dir: KEPT/chain
      - uses: org/s3c/actions/sign@v1
        id: again
        with:
          image: ${{ steps.chain.outputs.references }}
          vault: kv-voting
          vault-certificate: signing
          tenant-id: TENANT
          client-id: CLIENT
          output-dir: KEPT/again
"""
)


def test_a_job_needs_its_oidc_token_and_no_secret(
    lab: Lab, fresh: Callable[[str], str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = fresh("voting-app")
    with staged(tmp_path_factory.mktemp("azure")) as azure:
        azure.world.forward(int(lab.registry.rpartition(":")[2]))
        vault = azure.vault()
        vault.add("signing", make("signing", spec="RSA-3072", authority=False))
        words = {"IMAGE": image, "TENANT": azure.entra.tenant, "CLIENT": azure.application.client}
        job = act.run(
            filled(CHAIN, lab, tmp_path, **words),
            tmp_path / "act",
            environment=azure.github.environment | azure.world.environment,
            inside=azure.world.inside,
        )
        assert job.succeeded, job.log
        chain, again = job.outputs["chain"], job.outputs["again"]
        assert (chain["verdict"], chain["patched"]) == ("passed", "true")
        assert int(chain["fixed"]) > 0
        assert signatures(chain["reference"]) == [chain["signature-digest"]]
        assert (again["skipped"], again["signature-digest"]) == ("true", chain["signature-digest"])
        (image_result,) = result(chain["result"])["images"]
        assert image_result["sign"]["certificate"]["key"] == "RSA-3072"
        assert image_result["verify"]["signer"] == image_result["sign"]["certificate"]["subject"]
        # Three requests sign; the second step finds the signature there, and asks for no other.
        asked = [request.path.partition("/")[2].partition("/")[0] for request in azure.world.sites.asked(vault.host)]
        assert asked == ["certificates", "certificates", "keys", "certificates", "certificates"]
        given = azure.written()
        assert len(given) >= 5
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        texts = [job.log, *(path.read_text(errors="replace") for path in written), json.dumps(job.outputs)]
        for secret in given:
            assert not any(secret in text for text in texts)
