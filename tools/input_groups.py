"""The headings under which action.yml and READMEs list the inputs of an action that has many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from s3c_actions.options import (
    Input,
    azure,
    chain,
    common,
    deploy,
    evidence,
    github,
    patch,
    programs,
    refresh,
    report,
    scan,
    sign,
    vault,
    verify,
)

MANY = 40
"""Of an action that has as many inputs, they are grouped."""

_IMAGE = (common.IMAGE, scan.ARCHIVE, scan.SOURCE, common.PLATFORM, chain.PATCH, chain.SIGN, chain.DEPLOY)
_FROM = (deploy.IMAGES, refresh.NAMESPACES)
_GATE = (
    report.FAIL_ON,
    report.FIXABLE_ONLY,
    report.POLICY,
    report.UNSCANNED,
    report.EXIT_CODE,
    scan.BASELINE,
    report.BASELINE_NAME,
    github.GATE_LABEL,
)
_REPORTS = (
    report.FORMAT,
    common.OUTPUT_DIR,
    report.DOCKERFILE,
    report.SARIF_CATEGORY,
    evidence.RESULTS,
    evidence.REPORTS,
)
_PROGRAMS = (
    *(one for each in (programs.TRIVY, programs.COPA, programs.NOTATION, programs.BUILDKITD) for one in each.all),
    programs.PROGRAMS_MIRROR,
    common.TIMEOUT,
)

GROUPS: tuple[tuple[str, tuple[Input[Any], ...]], ...] = (
    ("Image", (*_IMAGE, *_FROM)),
    ("Gate", _GATE),
    ("Scan", tuple(one for one in scan.LOOK if one is not report.UNSCANNED)),
    ("Reports", _REPORTS),
    ("Patch", (patch.REUSE, *patch.HOW)),
    ("Registry", (common.REGISTRY_USERNAME, common.REGISTRY_PASSWORD, common.INSECURE)),
    ("Key and signature", (*sign.KEY_INPUTS, *sign.SIGNATURE_INPUTS)),
    ("Evidence", (*evidence.EVIDENCE, evidence.OPENVEX)),
    ("Trust", verify.TRUST_INPUTS),
    ("Deployment", (deploy.MANIFESTS, *deploy.HOW)),
    (
        "GitHub",
        (
            *github.COMMENTING,
            refresh.ISSUE,
            refresh.ISSUE_LABELS,
            github.REPOSITORY,
            common.ANNOTATIONS,
            common.UPLOAD_SARIF,
            github.UPLOAD_REQUIRED,
            common.CACHE,
            common.KEEP_TRACE,
        ),
    ),
    ("Azure", (*azure.IDENTITY_INPUTS, *vault.CERTIFICATE_INPUTS, vault.VAULT_PLUGIN)),
    ("Programs", _PROGRAMS),
)
"""Heading → its inputs, in the order of the lists. Of an input that several name, the later one counts: a vault's
certificate signs and is trusted, and is Azure's."""

_PLACE = {one.name: (heading, place) for heading, inputs in GROUPS for place, one in enumerate(inputs)}


def grouped(inputs: Iterable[Input[Any]]) -> list[tuple[str, list[Input[Any]]]]:
    """Heading → inputs, in the order of GROUPS; of an action with few inputs all of them, without a heading.

    Raises:
        KeyError: an input has no group.
    """
    listed = list(inputs)
    if len(listed) < MANY:
        return [("", listed)]
    found: dict[str, list[Input[Any]]] = {heading: [] for heading, _ in GROUPS}
    for one in listed:
        found[_PLACE[one.name][0]].append(one)
    return [(heading, sorted(those, key=lambda one: _PLACE[one.name])) for heading, those in found.items() if those]
