"""The end of the demo: an image that is signed, but refused by name for the findings in its report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from s3c_actions.core.errors import Exit, OutsideError
from s3c_lab.voting import NAMESPACE, Stage

PATIENCE = 90.0
_POLICY = """\
version: 1
signers:
  - name: lab
    certificate: {certificate}
findings: {{refuse: [HIGH, CRITICAL], fixable-only: true}}
report: {{maximum-age: 24h}}
sbom: {{required: true}}
"""


def show(stage: Stage, chain: Sequence[str], output: Path) -> int:
    """Put the policy on the cluster, attach evidence to a patched image and to its unpatched original, and try both.

    Args:
        stage: the lab on which the patched images run.
        chain: the arguments of the chain that was run before; it is run once more, to attach its evidence.
        output: folder with the chain's result.json.

    Returns:
        The exit code of the first command that did not end as expected; 0 when all did.

    Raises:
        OutsideError: the cluster did not decide as expected.
        ProgramFailed: kubectl failed.
    """
    image = json.loads((output / "result.json").read_text())["images"][0]
    clean, dirty = image["reference"], image["scan"]["reference"]
    policy, folder = output / "s3c-policy.yaml", output / "evidence"
    policy.write_text(_POLICY.format(certificate=stage.lab.certificate))
    key = ["--key", stage.lab.key, "--certificate", stage.lab.certificate]
    scan = ["--trivy-cache-dir", stage.lab.trivy_cache, "--offline", "--policy", str(policy)]
    output_flags = ["--output-dir", str(folder)]
    print("\nThe chain once more, with a policy: what it found and did is attached to the images, signed.")
    code = stage.s3c([*_redirect_reports(chain, folder), "--policy", str(policy), "--attach", "true"])
    if code != Exit.DONE:
        return code
    print("\nA third image: the unpatched one, signed this time too. It gets its report, and the cluster the policy:")
    for arguments in (
        ["sign", dirty, *key, *output_flags],
        ["attach", dirty, "--attach", "sarif,spdx", "--exit-code", "0", *scan, *key, *output_flags],
    ):
        code = stage.s3c(arguments)
        if code != Exit.DONE:
            return code
    objects = folder / "gate.yaml"
    print(f"\n$ s3c policy export --policy {policy} | kubectl apply -f -", flush=True)
    objects.write_text(_export_policy(policy))
    print(stage.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(objects)), end="")
    try_both = ["--kubeconfig", stage.lab.kubeconfig, "--namespace", NAMESPACE, *output_flags]
    deadline = time.monotonic() + PATIENCE
    while True:
        code = stage.s3c(["gate", "demo", "--image", clean, "--image", dirty, *try_both])
        if code != Exit.DONE:
            return code
        verdicts = {
            result["reference"] or result["image"]: result["admission"]["verdict"]
            for result in json.loads((folder / "result.json").read_text())["images"]
        }
        if sorted(verdicts.values()) == ["admitted", "denied"]:
            print("\nAnd the whole story of the admitted one, from the registry alone:")
            return stage.s3c(["trace", clean, "--policy", str(policy), "--output-dir", str(output / "trace")])
        if time.monotonic() > deadline:
            raise OutsideError(f"Of the two images, one should be admitted and one denied: {verdicts}.")
        print("\nVerdicts of before are kept for some seconds. Once more:")
        time.sleep(1)


def _redirect_reports(chain: Sequence[str], folder: Path) -> list[str]:
    """Give the chain another folder for its reports: those of the earlier run are shown at the end."""
    arguments = list(chain)
    arguments[arguments.index("--output-dir") + 1] = str(folder / "chain")
    return arguments


def _export_policy(policy: Path) -> str:
    from s3c_actions.commands.policy import export_yaml
    from s3c_actions.policy import model

    return export_yaml(model.read(policy))
