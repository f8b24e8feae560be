"""Inputs about what is recorded in GitHub of images that are deployed."""

from __future__ import annotations

import re

from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import choices, or_none

RECORDS = ("deployments", "storage")


def _environment(value: str) -> str:
    if not 1 <= len(value.strip()) <= 128:
        raise ValueError("the name of a stage, of at most 128 characters")
    return value.strip()


def _cluster(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", value):
        raise ValueError("letters, digits, dots, hyphens and underscores, at most 128")
    return value


class GitHubRecordOptions(Group):
    """What is recorded in the organization's linked artifacts, and under which names."""

    github_records: Input[tuple[str, ...]] = Input(
        name="github-records",
        metavar="RECORD,…",
        help="Record in GitHub, for the organization's linked artifacts, what runs where (`deployments`) and where its "
        "images are stored (`storage`). Needs the permission `artifact-metadata: write`. That it cannot be done is "
        "told, and changes no verdict.",
        parse=or_none(choices(*RECORDS), ()),
        absent=(),
        choices=("none", *RECORDS),
        example="deployments,storage",
        many=True,
    )
    record_environment: Input[str] = Input(
        name="record-environment",
        metavar="NAME",
        help="With `github-records`: the stage that the deployments are recorded in.",
        parse=_environment,
        default="production",
        example="staging",
    )
    record_cluster: Input[str] = Input(
        name="record-cluster",
        metavar="NAME",
        help="With `github-records`: the cluster's name there. Without it, the host of its API server.",
        parse=_cluster,
        absent="",
        example="aks-voting",
    )
