"""Translation of Helm's errors into what to change."""

from __future__ import annotations

from pathlib import Path

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain

_NOT_INSTALLED = "The chart of {name} could not be installed."

CASES = (
    Case(
        pattern=r"failed to parse",
        field="{name}-values",
        what="a file of values is not YAML.",
        remedy="Read what helm said.",
    ),
    Case(
        pattern=r"values don't meet the specifications of the schema",
        field="{name}-values",
        what="the chart does not take these values.",
        remedy="Read what helm said.",
    ),
    Case(
        pattern=r"Chart\.yaml file is missing|not a valid chart",
        field="{name}-chart",
        what="{path} is not a chart.",
        remedy="Read what helm said.",
    ),
    Case(
        pattern=r"invalid ownership metadata",
        what=_NOT_INSTALLED,
        cause="It was installed by other means than Helm.",
        remedy="Remove it, or let Helm adopt it.",
    ),
    Case(
        pattern=r"is forbidden",
        what=_NOT_INSTALLED,
        cause="The kubeconfig's user is no administrator of the cluster.",
        remedy="Use one who is.",
    ),
    Case(
        pattern=r"timed out",
        what=_NOT_INSTALLED,
        cause="The cluster could not pull or start what the chart runs.",
        remedy="Look at the Pods in {namespace}.",
    ),
)


_NOT_UNINSTALLED = "The chart of {name} could not be uninstalled."

UNINSTALL_CASES = (
    Case(
        pattern=r"is forbidden",
        what=_NOT_UNINSTALLED,
        cause="The kubeconfig's user is no administrator of the cluster.",
        remedy="Use one who is.",
    ),
    Case(
        pattern=r"timed out|context deadline exceeded|cluster unreachable|connection refused",
        what=_NOT_UNINSTALLED,
        cause="The cluster does not answer, or not in time.",
        remedy="Run it again: what is gone already is no error.",
    ),
)


def not_uninstalled(name: str, namespace: str, stderr: str) -> S3CError:
    """The error of a release that could not be removed; arguments as of `not_installed`."""
    original = stderr.strip()[-4000:]
    return explain(original, UNINSTALL_CASES, {"name": name}, original=original) or OutsideError(
        f"The chart of {name} could not be uninstalled.",
        cause=f"Its record in the Secrets of {namespace} may be damaged.",
        remedy=f"Read what helm said; `kubectl delete namespace {namespace}` removes what is left of the gate.",
        original=original,
    )


def not_installed(name: str, path: Path, namespace: str, stderr: str) -> S3CError:
    """The error of a chart that could not be installed.

    Args:
        name: of the release, the prefix of its inputs (`NAME-chart`, `NAME-values`).
        path: of the chart.
        namespace: of the release.
        stderr: of Helm.
    """
    original = stderr.strip()[-4000:]
    facts = {"name": name, "path": path, "namespace": namespace}
    return explain(original, CASES, facts, original=original) or OutsideError(
        f"The chart of {name} could not be installed.",
        cause="The cluster may be too busy, or its version may not fit.",
        remedy="Read what helm said, and try again.",
        original=original,
    )
