"""The base of an image: names that strangers may write, held against what is allowed and against the layers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.registry import Registry
from s3c_actions.registry.base_images import DIGEST, MAX_CLAIMS, NAME, BaseFinder, admit
from s3c_actions.registry.content import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from s3c_actions.registry.credentials import Logins

HEX = "0123456789abcdef" * 4
BASE = ("sha256:1", "sha256:2")
IMAGE = (*BASE, "sha256:3")


class Answer:
    """An answer of the HTTP client, as far as it is read."""

    def __init__(self, body: bytes | None, kind: str = "application/json") -> None:
        self.status_code = 404 if body is None else 200
        self.content = body or b""
        self.headers = {"Content-Type": kind}
        self.links: dict[str, Any] = {}
        self.url = ""


class Store:
    """What registries have: content by host and path, and what they were asked for."""

    def __init__(self) -> None:
        self.content: dict[str, tuple[bytes, str]] = {}
        self.asked: list[str] = []
        self.broken: set[str] = set()

    def client(self, monkeypatch: pytest.MonkeyPatch) -> Registry:
        client = Registry(Logins(environment={}))

        def request(_method: str, reference: Reference, path: str, **_more: Any) -> Answer:
            where = reference.registry + path
            self.asked.append(where)
            if reference.registry in self.broken:
                raise OutsideError(f"{reference.registry} does not answer.", remedy="Try again.")
            return Answer(*self.content.get(where, (None,)))

        monkeypatch.setattr(client.connection, "request", request)
        monkeypatch.setattr(client.connection, "body", lambda answer, _reference, _limit: answer.content)
        monkeypatch.setattr(client.connection, "dismiss", lambda _answer, _reference: None)
        return client

    def _put(self, name: str, kind: str, body: bytes, media_type: str, tag: str = "") -> str:
        reference = Reference.parse(name)
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        for key in (digest, *([tag] if tag else [])):
            self.content[f"{reference.registry}/v2/{reference.repository}/{kind}/{key}"] = (body, media_type)
        return digest

    def blob(self, name: str, document: Any) -> str:
        return self._put(name, "blobs", json.dumps(document).encode(), "application/octet-stream")

    def image(self, name: str, diff_ids: tuple[str, ...], *, tag: str = "", **manifest: Any) -> str:
        config = {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"diff_ids": list(diff_ids)},
            "number": manifest.pop("number", 0),
        }
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.blob(name, config),
                "size": 1,
            },
            "layers": [],
            **manifest,
        }
        return self._put(name, "manifests", json.dumps(document).encode(), OCI_MANIFEST, tag)

    def index(self, name: str, *entries: dict[str, Any], tag: str = "", **more: Any) -> str:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries), **more}
        return self._put(name, "manifests", json.dumps(document).encode(), OCI_INDEX, tag)

    def with_provenance(self, name: str, layers: tuple[str, ...], statement: Any, subject: str = "") -> str:
        image = self.image(name, layers)
        subject = subject or image
        layer = {
            "mediaType": "application/vnd.in-toto+json",
            "digest": self.blob(name, statement),
            "size": 1,
            "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
        }
        attestation = self.image(name, (), layers=[layer])
        return self.index(
            name,
            entry(image, "linux", "amd64"),
            entry(
                attestation,
                "unknown",
                "unknown",
                **{
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": subject or image,
                },
            ),
        )


def entry(digest: str, system: str, architecture: str, **annotations: str) -> dict[str, Any]:
    return {
        "mediaType": OCI_MANIFEST,
        "digest": digest,
        "size": 1,
        "platform": {"os": system, "architecture": architecture},
        "annotations": annotations,
    }


def report(**more: Any) -> ScanReport:
    findings = tuple(
        Finding(kind=FindingKind.VULNERABILITY, id=f"CVE-{number}", severity=Severity.HIGH, layer=layer)
        for number, layer in enumerate(IMAGE)
    )
    facts = {"image": "r.example/app:1", "digest": "", "findings": findings, "created": "", "database": ""}
    return ScanReport(**{**facts, "diff_ids": IMAGE, "platform": "linux/amd64", **more})


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def finder(store: Store, monkeypatch: pytest.MonkeyPatch) -> BaseFinder:
    return BaseFinder(registry=store.client(monkeypatch), allowed=("b.example/*",))


def attributed(finder: BaseFinder, image: str, **more: Any) -> tuple[list[bool | None], str, str]:
    """Whose findings are the base's, which base and source that is, and the notices."""
    attributed_report, notices = finder.attribute(report(**more), image)
    base = attributed_report.base_image
    return (
        [finding.from_base for finding in attributed_report.findings],
        f"{base.name} by {base.source}" if base else "",
        " ".join(notices),
    )


OURS = [True, True, False]
UNKNOWN = [None, None, None]


def test_the_annotation_of_the_image_names_its_base_by_digest(store: Store, finder: BaseFinder) -> None:
    digest = store.image("b.example/base", BASE)
    image = store.image("r.example/app", IMAGE, annotations={NAME: "b.example/base:1", DIGEST: digest})
    whose, base, notices = attributed(finder, f"r.example/app@{image}")
    assert (whose, notices) == (OURS, "")
    assert base == f"b.example/base:1 by the image's annotation {NAME}"


def test_an_allowed_reference_is_looked_up_by_itself(store: Store, finder: BaseFinder) -> None:
    store.image("b.example/base", BASE, tag="1")
    finder = replace(finder, allowed=("b.example/base:1",))
    whose, base, _ = attributed(finder, "image.tar")
    assert (whose, base) == (OURS, "b.example/base:1 by the input `base-image`")
    assert attributed(finder, "image.tar")[0] == OURS
    assert len([path for path in store.asked if "/manifests/1" in path]) == 1, "once for all images of a run"


@pytest.mark.parametrize("place", ["label", "Dockerfile"])
def test_labels_and_the_dockerfile_name_it(store: Store, finder: BaseFinder, place: str) -> None:
    store.image("b.example/base", BASE, tag="1")
    labels = {NAME: "b.example/base:1"} if place == "label" else {}
    finder = replace(finder, written=("b.example/base:1",) if place == "Dockerfile" else ())
    whose, base, _ = attributed(finder, "image.tar", labels=labels)
    assert whose == OURS
    assert place in base


STATEMENTS = {
    "0.2": {
        "predicate": {
            "materials": [
                {"uri": "git+https://example.test/x", "digest": {"sha1": "0"}},
                {"uri": "pkg:docker/golang@1.22?platform=linux%2Famd64", "digest": {"sha256": HEX}},
                {"uri": "pkg:docker/b.example/team/base@1?platform=linux%2Famd64"},
            ]
        }
    },
    "1": {"predicate": {"buildDefinition": {"resolvedDependencies": [{"uri": "pkg:docker/b.example/team/base@1"}]}}},
}


@pytest.mark.parametrize("version", STATEMENTS)
@pytest.mark.parametrize("through", ["index", "entry"])
def test_the_builds_provenance_names_it(store: Store, finder: BaseFinder, version: str, through: str) -> None:
    store.image("b.example/team/base", BASE, tag="1")
    index = store.with_provenance("r.example/app", IMAGE, STATEMENTS[version])
    image = f"r.example/app@{index}"
    if through == "entry":
        document = json.loads(store.content[f"r.example/v2/app/manifests/{index}"][0])
        finder, image = finder.within(image), f"r.example/app@{document['manifests'][0]['digest']}"
    whose, base, _ = attributed(finder, image)
    assert (whose, base) == (OURS, "b.example/team/base:1 by the build's provenance")
    assert not [path for path in store.asked if path.startswith("docker.io")], "no host that is not allowed"


def test_provenance_of_another_image_counts_for_nothing(store: Store, finder: BaseFinder) -> None:
    store.image("b.example/team/base", BASE, tag="1")
    index = store.with_provenance("r.example/app", IMAGE, STATEMENTS["1"], subject=f"sha256:{HEX}")
    assert attributed(finder, f"r.example/app@{index}")[0] == UNKNOWN


@pytest.mark.parametrize(
    "statement",
    [
        None,
        [],
        {},
        {"predicate": []},
        {"predicate": {"materials": {}}},
        {"predicate": {"buildDefinition": {"resolvedDependencies": [None, {"uri": 7}, {"uri": "pkg:"}]}}},
        {"predicate": {"materials": [{"uri": "pkg:docker/..%2F..@x", "digest": {"sha256": [1]}}] * 100_000}},
    ],
)
@pytest.mark.slow
def test_hostile_provenance_leaves_the_base_unknown(store: Store, finder: BaseFinder, statement: Any) -> None:
    index = store.with_provenance("r.example/app", IMAGE, statement)
    whose, _, notices = attributed(finder, f"r.example/app@{index}")
    assert whose == UNKNOWN
    assert "all findings count as its own" in notices


def test_the_longest_base_counts(store: Store, finder: BaseFinder) -> None:
    store.image("b.example/base", BASE[:1], tag="1")
    store.image("b.example/base", BASE, tag="2")
    finder = replace(finder, written=("b.example/base:1", "b.example/base:2"))
    assert attributed(finder, "image.tar")[1] == "b.example/base:2 by the Dockerfile"


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        (("sha256:9",), "does not begin with the layers of b.example/base:1"),
        ((*IMAGE, "sha256:4"), "does not begin with the layers of"),
        ((), "does not begin with the layers of"),
    ],
)
def test_a_name_without_its_layers_proves_nothing(
    store: Store, finder: BaseFinder, layers: tuple[str, ...], why: str
) -> None:
    store.image("b.example/base", layers, tag="1")
    whose, _, notices = attributed(replace(finder, written=("b.example/base:1",)), "image.tar")
    assert whose == UNKNOWN
    assert why in notices


def test_a_stranger_may_not_choose_the_base_nor_the_host(store: Store, finder: BaseFinder) -> None:
    store.image("evil.example/app", IMAGE, tag="1")
    image = store.image("r.example/app", IMAGE, annotations={NAME: "evil.example/app:1"})
    finder = replace(finder, written=("evil.example/app:1", "169.254.169.254/latest/meta-data"))
    whose, _, notices = attributed(finder, f"r.example/app@{image}", labels={NAME: "evil.example/app:1"})
    assert whose == UNKNOWN
    assert "nothing names one that is allowed" in notices
    assert {path.partition("/")[0] for path in store.asked} == {"r.example"}


def test_an_earlier_build_of_the_image_is_no_base(store: Store, finder: BaseFinder) -> None:
    earlier = store.image("r.example/app", IMAGE, tag="0", number=1)
    image = store.image("r.example/app", IMAGE, annotations={NAME: "r.example/app:0", DIGEST: earlier})
    everything = replace(finder, allowed=("*",))
    assert attributed(everything, f"r.example/app@{image}")[0] == UNKNOWN
    named = replace(finder, allowed=("r.example/app:0",))
    assert attributed(named, f"r.example/app@{image}")[0] == [True, True, True], "whoever runs it may say so"


def test_a_digest_that_is_gone_is_looked_for_by_its_tag(store: Store, finder: BaseFinder) -> None:
    store.image("b.example/base", BASE, tag="1")
    finder = replace(finder, written=(f"b.example/base:1@sha256:{HEX}", f"b.example/base@sha256:{HEX}"))
    assert attributed(finder, "image.tar")[0] == OURS


def test_a_registry_that_fails_leaves_all_findings_to_the_image(store: Store, finder: BaseFinder) -> None:
    store.broken = {"b.example", "r.example"}
    finder = replace(finder, written=("b.example/base:1",))
    whose, _, notices = attributed(finder, f"r.example/app@sha256:{HEX}")
    assert whose == UNKNOWN
    assert "b.example does not answer" in notices
    assert "r.example does not answer" in notices


def test_names_are_bounded(store: Store, finder: BaseFinder) -> None:
    finder = replace(finder, written=tuple(f"b.example/base:{number}" for number in range(10_000)))
    assert attributed(finder, "image.tar")[0] == UNKNOWN
    assert len({path for path in store.asked if "/manifests/" in path}) == MAX_CLAIMS


def test_what_is_no_image_has_no_base(store: Store, finder: BaseFinder) -> None:
    finder = replace(finder, written=("b.example/base:1",))
    assert attributed(finder, "image.tar", artifact_type="filesystem") == (UNKNOWN, "", "")
    assert store.asked == []


@pytest.mark.parametrize(
    ("named", "allowed", "looked_up"),
    [
        ("debian", "debian", "docker.io/library/debian"),
        ("debian:12", "debian", "docker.io/library/debian:12"),
        (f"debian:12@sha256:{HEX}", "debian", f"docker.io/library/debian:12@sha256:{HEX}"),
        ("debian:12", "debian:12", "docker.io/library/debian:12"),
        (f"debian:12@sha256:{HEX}", "debian:12", "docker.io/library/debian:12"),
        (f"debian@sha256:{HEX}", "debian:12", None),
        ("debian:13", "debian:12", None),
        (f"debian@sha256:{HEX}", f"debian@sha256:{HEX}", f"docker.io/library/debian@sha256:{HEX}"),
        (f"debian@sha256:{HEX[::-1]}", f"debian@sha256:{HEX}", None),
        ("debian", "docker.io/library/*", "docker.io/library/debian"),
        ("debian", "*", "docker.io/library/debian"),
        ("debian:12", "deb*", "docker.io/library/debian:12"),
        ("evil/debian:12", "debian*", None),
        ("python:3.12-slim", "python:3.*", "docker.io/library/python:3.12-slim"),
        (f"python:3.12@sha256:{HEX}", "python:3.*", "docker.io/library/python:3.12"),
        ("python:2.7", "python:3.*", None),
        ("ghcr.io/org/x:1", "ghcr.io/org/*", "ghcr.io/org/x:1"),
        ("ghcr.io/org-evil/x:1", "ghcr.io/org/*", None),
        ("ghcr.io/org/x:1", "org/*", None),
        ("org/x:1", "org/*", "docker.io/org/x:1"),
    ],
)
def test_what_counts_as_a_base(named: str, allowed: str, looked_up: str | None) -> None:
    admitted = admit(Reference.parse(named), (allowed,))
    assert (str(admitted) if admitted else None) == looked_up


def test_the_image_of_the_same_platform_is_compared(store: Store, finder: BaseFinder) -> None:
    entries = [
        entry(store.image("b.example/base", layers, number=number), "linux", architecture)
        for number, (architecture, layers) in enumerate({"arm64": ("sha256:8",), "amd64": BASE}.items())
    ]
    store.index("b.example/base", *entries, tag="1")
    finder = replace(finder, written=("b.example/base:1",))
    assert attributed(finder, "image.tar")[0] == OURS
    assert attributed(finder, "image.tar", platform="linux/arm64")[0] == UNKNOWN
    assert attributed(finder, "image.tar", platform="linux/s390x")[0] == UNKNOWN


def test_a_docker_manifest_is_one_too(store: Store, finder: BaseFinder) -> None:
    store.image("b.example/base", BASE, tag="1", mediaType=DOCKER_MANIFEST)
    assert attributed(replace(finder, written=("b.example/base:1",)), "image.tar")[0] == OURS


def paged(monkeypatch: pytest.MonkeyPatch, page_of: Any) -> Registry:
    """A client of a registry that lists tags in pages; `page_of` returns tags and the next page's address."""
    client = Registry(Logins(environment={}))
    number = iter(range(1_000_000))

    def request(_method: str, _reference: Any, path: str, **_more: Any) -> Answer:
        tags, following = page_of(next(number), path)
        answer = Answer(json.dumps({"tags": tags}).encode())
        answer.links = {"next": {"url": following}} if following else {}
        answer.url = "https://b.example/"
        return answer

    monkeypatch.setattr(client.connection, "request", request)
    monkeypatch.setattr(client.connection, "body", lambda answer, _reference, _limit: answer.content)
    return client


def test_a_hundred_thousand_tags_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(number: int, _path: str) -> tuple[list[str], str]:
        return [
            f"{number}.{minor}" for minor in range(1000)
        ], f"/v2/base/tags/list?last={number}" if number < 99 else ""

    assert len(paged(monkeypatch, page).tags(Reference.parse("b.example/base"))) == 100_000


@pytest.mark.parametrize(
    ("following", "message"),
    [
        (lambda _number: "/v2/base/tags/list?last=1", "leads back to an earlier one"),
        (lambda number: f"/v2/base/tags/list?last={number % 3}", "leads back to an earlier one"),
        (lambda number: f"/v2/base/tags/list?last={number}", "more than 100 pages"),
    ],
)
def test_pages_without_an_end_are_an_error(monkeypatch: pytest.MonkeyPatch, following: Any, message: str) -> None:
    client = paged(monkeypatch, lambda number, _path: (["1"], following(number)))
    with pytest.raises(OutsideError, match=message):
        client.tags(Reference.parse("b.example/base"))
