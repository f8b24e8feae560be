"""Inputs of `refresh`."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.options import report as reporting
from s3c_actions.options import scan as scanning
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, JobOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.deploy import ClusterOptions, namespace_name
from s3c_actions.options.evidence import EvidenceOptions
from s3c_actions.options.github import RepositoryOptions, TokenOptions
from s3c_actions.options.github_records import GitHubRecordOptions
from s3c_actions.options.parse import boolean, items
from s3c_actions.options.scan import ScanningOptions
from s3c_actions.options.sign import SIGNING_INPUTS, SigningOptions


def _namespaces(value: str) -> tuple[str, ...]:
    return tuple(namespace_name(name) for name in items(value))


# Without `exit-code`: fixable findings are reported in the issue and the outputs, and are no failure of this command.
_SCANNING = tuple(
    option
    for option in (*scanning.SCOPE_INPUTS, *scanning.SCAN_INPUTS)
    if option is not reporting.ExitCodeOptions.exit_code
)


class RefreshInputs(
    ClusterOptions,
    EvidenceOptions,
    RepositoryOptions,
    GitHubRecordOptions,
    TokenOptions,
    ScanningOptions,
    SigningOptions,
    JobOptions,
    ImageOptions,
):
    """The inputs of `refresh`."""

    image = replace(
        ImageOptions.image,
        help="What is deployed, when no cluster is to be asked: references by tag or digest, several by commas or "
        "lines.",
        required=False,
    )
    namespaces: Input[tuple[str, ...]] = Input(
        name="namespaces",
        basic=("refresh",),
        metavar="NAMESPACE,…",
        help="Look into these namespaces of the cluster; without it, into all but Kubernetes' own.",
        parse=_namespaces,
        absent=(),
        many=True,
        example="voting,billing",
    )
    attach = replace(
        EvidenceOptions.attach,
        help="Evidence attached to each image that is signed, by the key given: without a key nothing is attached. "
        "The scan report (`sarif`) and the bill of materials it names (`spdx`) are what the policy asks for; `none` "
        "attaches nothing.",
        default="sarif,spdx",
        absent=("sarif", "spdx"),
    )
    issue = Input(
        name="issue",
        basic=("refresh",),
        help="Keep one issue on what can be fixed: opened, updated in place, and closed when nothing is left. Needs "
        "the permission `issues: write`.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    issue_labels: Input[tuple[str, ...]] = Input(
        name="issue-labels",
        metavar="LABEL,…",
        help="Labels for the issue when it is opened.",
        parse=items,
        absent=(),
        many=True,
        example="security",
    )
    fail_on = replace(
        reporting.ThresholdOptions.fail_on,
        help="Lowest severity that is to be fixed: what the issue lists and the outputs pass on.",
        default="HIGH",
    )
    fixable_only = replace(
        reporting.ThresholdOptions.fixable_only, help="Only findings that have a fix.", default="true", absent=True
    )
    # The findings of a week ago are not those of today, and only a new scan replaces an expired report.
    reuse = replace(scanning.ScanningOptions.reuse, default="false", absent=False)
    order = (
        image,
        *ClusterOptions.own(),
        namespaces,
        attach,
        EvidenceOptions.prune_evidence,
        issue,
        issue_labels,
        *GitHubRecordOptions.own(),
        RepositoryOptions.repository,
        TokenOptions.github_token,
        *_SCANNING,
        *SIGNING_INPUTS,
        *JobOptions.own(),
    )


COMMAND = Command(
    name="refresh",
    help="Scans again what is deployed, by digest, with today's vulnerability data: what runs on a cluster, or a list. "
    "Attaches the new reports, signed with the key given; keeps one issue on what can be fixed; hands the images on to "
    "be patched.",
    options=RefreshInputs,
    implementation="s3c_actions.commands.refresh:run",
    examples=(
        "s3c refresh --namespaces voting --fail-on MEDIUM",
        "s3c refresh --namespaces voting --policy s3c-policy.yaml --key signing.key --certificate signing.crt",
        "s3c refresh registry.example/app@sha256:… registry.example/db:15.0-1 --issue --repository octo/shop",
    ),
)
