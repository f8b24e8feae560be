"""What lets images pass, in each of the gate's parts: webhook, constraint, Ratify."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from s3c_actions.cluster.gate import stages
from s3c_actions.cluster.gate import webhook as webhooks
from s3c_actions.cluster.gate.objects import ConfiguredWebhook, GateObjects, dig, is_azure_policy
from s3c_actions.core.gate_stage import Stage

INSTALL = "Install or repair it with `s3c gate install`."


class GateDefect(msgspec.Struct, frozen=True, kw_only=True):
    """A way to bypass the gate, or a reason why it admits nothing.

    Attributes:
        stage: of a gate that only watches: the stage that it is in; None for any other defect.
    """

    what: str
    remedy: str
    stage: Stage | None = None


def stage_defect(constraint: Mapping[str, Any], stage: Stage, namespace: str) -> GateDefect:
    """Return the defect of a constraint in an earlier stage than is accepted; an empty namespace is the whole gate."""
    action = dig(constraint, "spec", "enforcementAction")
    place = f" in {namespace}" if namespace else ""
    promote = f"s3c gate promote --namespaces {namespace}" if namespace else "s3c gate promote"
    return GateDefect(
        what=f"The constraint {constraint['metadata']['name']} only tells{place}: its enforcementAction is {action} "
        f"(stage {stage}), so that every image is admitted.",
        remedy=f"Look at `s3c gate preview`, and go to the next stage with `{promote}`; `accept-stage: {stage}` "
        "deploys in this one.",
        stage=stage,
    )


def sound_webhooks(
    configured: Sequence[ConfiguredWebhook],
    facts: GateObjects,
    kinds: Sequence[tuple[str, str]],
    *,
    may_fail_open: bool = False,
) -> tuple[Sequence[ConfiguredWebhook], list[GateDefect]]:
    """Return the webhooks that count, and their holes: those without any, else all but Azure Policy's own.

    One webhook that denies is enough, so that another Gatekeeper's beside it, which fails open, is no hole.
    """
    holes = {
        number: _webhook_holes(
            str(configuration["metadata"]["name"]), webhook, facts, kinds, may_fail_open=may_fail_open
        )
        for number, (configuration, webhook) in enumerate(configured)
    }
    if sound := [configured[number] for number, defects in holes.items() if not defects]:
        return sound, []
    own = [number for number in holes if not is_azure_policy(configured[number][0])] or list(holes)
    return [configured[number] for number in own], [hole for number in own for hole in holes[number]]


def _webhook_holes(
    name: str,
    webhook: Mapping[str, Any],
    facts: GateObjects,
    kinds: Sequence[tuple[str, str]],
    *,
    may_fail_open: bool,
) -> list[GateDefect]:
    holes = []
    if webhook.get("failurePolicy") != "Fail" and not may_fail_open:
        holes.append(
            GateDefect(
                what=f"The gate fails open: failurePolicy of {name} is {webhook.get('failurePolicy')}, so what "
                "Gatekeeper cannot answer in time is admitted.",
                remedy="Set `validatingWebhookFailurePolicy: Fail` in Gatekeeper's chart.",
            )
        )
    holes += [
        GateDefect(what=f"{name} does not look at {what}.", remedy=remedy)
        for what, remedy in webhooks.uncovered(webhook, kinds)
    ]
    selector = webhook.get("objectSelector") or {}
    if selector.get("matchLabels") or selector.get("matchExpressions"):
        holes.append(
            GateDefect(what=f"{name} looks only at objects of certain labels.", remedy="Take its objectSelector away.")
        )
    if webhook.get("matchConditions"):
        holes.append(GateDefect(what=f"{name} has matchConditions that let objects pass.", remedy="Take them away."))
    service = dig(webhook, "clientConfig", "service") or {}
    if service and f"{service.get('namespace')}/{service.get('name')}" not in facts.ready:
        holes.append(
            GateDefect(
                what="Gatekeeper does not run: nothing is ready behind "
                f"{service.get('namespace')}/{service.get('name')}.",
                remedy="Look at its Pods: `kubectl get pods -n gatekeeper-system`.",
            )
        )
    return holes


def not_enforced(constraint: Mapping[str, Any]) -> GateDefect | None:
    """Return why a constraint looks at nothing that is sent to the webhook, whatever its stage; None when it does."""
    name = constraint["metadata"]["name"]
    if stages.constraint_stage(constraint) is None:
        action = dig(constraint, "spec", "enforcementAction")
        return GateDefect(
            what=f"The constraint {name} does nothing: its enforcementAction is {action}.", remedy="Set it to `deny`."
        )
    if (source := dig(constraint, "spec", "match", "source") or "All") not in {"All", "Original"}:
        return GateDefect(
            what=f"The constraint {name} does not look at what is created itself: its match.source is {source}.",
            remedy="Take `source` out of its `match`.",
        )
    return None


def provider_holes(facts: GateObjects, webhook: Mapping[str, Any]) -> list[GateDefect]:
    """Return why Ratify cannot be believed or does not answer, and where the webhook does not wait for it."""
    if not facts.providers:
        return [GateDefect(what="Ratify is not there: Gatekeeper knows no external data provider.", remedy=INSTALL)]
    holes = []
    for provider in facts.providers:
        name, url = provider["metadata"]["name"], str(dig(provider, "spec", "url") or "")
        host = re.match(r"https://([^.:/]+)\.([^.:/]+)", url)
        if not url.startswith("https://") or not dig(provider, "spec", "caBundle"):
            holes.append(
                GateDefect(
                    what=f"The Provider {name} is asked without TLS: anyone in between may answer.", remedy=INSTALL
                )
            )
        elif host and f"{host[2]}/{host[1]}" not in facts.ready:
            holes.append(
                GateDefect(
                    what=f"Ratify does not run: nothing is ready behind {host[2]}/{host[1]}, where {name} leads.",
                    remedy=f"Look at its Pods: `kubectl get pods -n {host[2]}`.",
                )
            )
        timeout, patience = dig(provider, "spec", "timeout"), webhook.get("timeoutSeconds")
        if isinstance(timeout, int) and isinstance(patience, int) and timeout > patience:
            holes.append(
                GateDefect(
                    what=f"The API server waits {patience} s for Gatekeeper, which waits {timeout} s for {name}.",
                    remedy="Order them: webhook ≥ provider > Ratify.",
                )
            )
    return holes
