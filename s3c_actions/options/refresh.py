"""Inputs of `refresh`."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from s3c_actions.options import Input, boolean, items
from s3c_actions.options import report as reporting
from s3c_actions.options import scan as scanning
from s3c_actions.options.common import IMAGE as ANY_IMAGE
from s3c_actions.options.common import ImageOptions
from s3c_actions.options.deploy import CLUSTER, ClusterOptions, namespace_name
from s3c_actions.options.evidence import ATTACH, PRUNE, EvidenceOptions
from s3c_actions.options.github import REPOSITORY, TOKEN, RepositoryOptions, TokenOptions
from s3c_actions.options.scan import ScanningOptions
from s3c_actions.options.sign import SIGNING, SigningOptions


def _namespaces(value: str) -> tuple[str, ...]:
    return tuple(namespace_name(one) for one in items(value))


IMAGE = replace(
    ANY_IMAGE,
    help="What is deployed, when no cluster is to be asked: references by tag or digest, several by commas or lines.",
    required=False,
)
NAMESPACES: Input[tuple[str, ...]] = Input(
    name="namespaces",
    help="Look into these namespaces of the cluster; without it, into all but Kubernetes' own.",
    parse=_namespaces,
    absent=(),
    many=True,
    example="shop,billing",
)
ISSUE = Input(
    name="issue",
    help="Keep one issue on what can be fixed: opened, updated in place, and closed when nothing is left. Needs the "
    "permission `issues: write`.",
    parse=boolean,
    default="false",
    absent=False,
    switch=True,
)
ISSUE_LABELS: Input[tuple[str, ...]] = Input(
    name="issue-labels",
    help="Labels for the issue when it is opened.",
    parse=items,
    absent=(),
    many=True,
    example="security",
)
FAIL_ON = replace(
    reporting.FAIL_ON,
    help="Lowest severity that is to be mended: what the issue tells and the outputs hand on.",
    default="HIGH",
)
FIXABLE_ONLY = replace(reporting.FIXABLE_ONLY, help="Only findings that have a fix.", default="true", absent=True)

DOCUMENTS = replace(
    ATTACH,
    help="Evidence attached to each image that is signed, by the key given: without a key nothing is attached. The "
    "scan report (`sarif`) and the bill of materials it names (`spdx`) are what the policy asks for; `none` attaches "
    "nothing.",
    default="sarif,spdx",
    absent=("sarif", "spdx"),
)
# What was found a week ago with the same data says nothing of today; and only a scan of today heals a stale report.
REUSE = replace(scanning.REUSE, default="false", absent=False)

_OWN = {one.name: one for one in (FAIL_ON, FIXABLE_ONLY, REUSE)}
# Without `exit-code`: what can be fixed is told by the issue and handed on, it is no failure of this command.
_SCANNING = tuple(
    _OWN.get(one.name, one) for one in (*scanning.LOOK, *scanning.AROUND) if one is not reporting.EXIT_CODE
)

INPUTS: tuple[Input[Any], ...] = (
    IMAGE,
    *CLUSTER,
    NAMESPACES,
    DOCUMENTS,
    PRUNE,
    ISSUE,
    ISSUE_LABELS,
    REPOSITORY,
    TOKEN,
    *_SCANNING,
    *SIGNING,
)


class RefreshInputs(
    ClusterOptions,
    EvidenceOptions,
    RepositoryOptions,
    TokenOptions,
    ScanningOptions,
    SigningOptions,
    ImageOptions,
    order=INPUTS,
):
    """Of `refresh`."""

    image = IMAGE
    namespaces = NAMESPACES
    attach = DOCUMENTS
    issue = ISSUE
    issue_labels = ISSUE_LABELS
    fail_on = FAIL_ON
    fixable_only = FIXABLE_ONLY
    reuse = REUSE
