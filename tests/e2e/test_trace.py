"""`s3c trace` with the real notation and a real registry, which is one without the referrers API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from s3c_actions.core import artifact_types
from s3c_actions.core.secrets import Secrets
from s3c_actions.report import rendering
from s3c_actions.report.formats import sarif
from s3c_actions.result import document
from s3c_actions.result.model import Outcome
from s3c_lab import registry_server
from s3c_lab.certificates import make
from s3c_lab.machine import Machine
from tests.support import outcomes
from tests.support.oci import (
    INDEX,
    MANIFEST,
    Repository,
    attach,
    descriptor,
    digest_of,
    document_of,
    layer,
    list_referrers,
)
from tests.support.signing import Ended, own_registry, s3c, signatures

SCHEMA = json.loads((Path(document.__file__).parent.parent / "schemas" / "trace-1.json").read_text())
BASE = [layer({"etc/os-release": b"ID=debian\n"}), layer({"app": b"1"})]
PATCHES = [layer({"var/lib/dpkg/status": f"patch {number}".encode()}) for number in range(3)]
COPA = "sh.copa.image.patched"


@pytest.fixture(scope="module")
def registry(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_registry(tmp_path_factory.mktemp("registry"), registry_server.program(machine)) as host:
        yield host


@pytest.fixture
def repository(registry: str) -> Repository:
    return Repository(registry, f"trace/{uuid.uuid4().hex[:12]}")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    for name in ("ours", "stranger"):
        make(name).write(tmp_path, name)
    return tmp_path


@pytest.fixture
def sign(keys: Path, repository: Repository) -> Callable[..., None]:
    def run(digest: str, name: str = "ours", *flags: str) -> None:
        pair = ("--key", keys / f"{name}.key", "--certificate", keys / f"{name}.crt")
        ended = s3c(keys, "sign", f"{repository.registry}/{repository.name}@{digest}", *pair, *flags)
        assert ended.code == 0, ended.stderr

    return run


@pytest.fixture
def trace(keys: Path, repository: Repository) -> Callable[..., dict[str, Any]]:
    """Traces an image of the test's repository, by the trust store with our certificate alone."""

    def run(image: str, *flags: str | Path) -> dict[str, Any]:
        ended = ask(keys, repository, image, "--trust-store", keys / "ours.crt", "--format", "json", *flags)
        assert ended.code == 0, ended.stderr
        story: dict[str, Any] = json.loads(ended.stdout)
        jsonschema.Draft202012Validator(SCHEMA).validate(story)
        assert json.loads(Path(ended.image["files"]["trace-json"]).read_text()) == story
        assert story["reference"] in Path(ended.image["files"]["trace"]).read_text()
        return story

    return run


def ask(folder: Path, repository: Repository, image: str, *flags: str | Path) -> Ended:
    mark = "" if image.startswith("@") else ":"
    return s3c(folder, "trace", f"{repository.registry}/{repository.name}{mark}{image}", *flags)


def patched(repository: Repository, original: dict[str, Any], layers: list[bytes], tag: str) -> dict[str, Any]:
    """An image as Copa makes it: its layer last, the original in a label, the time in an annotation."""
    named = f"{repository.registry}/{repository.name}@{original['digest']}"
    image = repository.image(layers, tag, config={"labels": {"BaseImage": named}})
    manifest = {**repository.get(image["digest"]), "annotations": {COPA: "2026-11-23T07:05:00Z"}}
    return repository.put_manifest(manifest, tag)


def reports(digest: str) -> tuple[bytes, bytes, bytes]:
    """SARIF before and after a patch, and the result.json, of an image of that digest."""
    chained = outcomes.chain()
    assert chained.patch is not None
    assert chained.patch.after is not None
    outcome = Outcome(command="chain", images=(chained,))
    text = document.render_document(document.build_document(outcome, outcomes.NOW, Secrets()))
    before, after = (
        sarif.render(scan.report, rendering.Rendering()) for scan in (chained.patch.before, chained.patch.after)
    )
    ours, theirs = outcomes.AFTER.encode(), digest.encode()
    return before, after.replace(ours, theirs), text.encode().replace(ours, theirs)


def test_an_unpatched_image_that_nobody_looked_at(keys: Path, repository: Repository) -> None:
    image = repository.image(BASE, "1.0", config={"Labels": {"org.opencontainers.image.source": "https://example.org"}})
    ended = ask(keys, repository, "1.0")
    assert ended.code == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == f"{repository.registry}/{repository.name}@{image['digest']}"
    assert lines[1] == "? not judged"
    assert "source       https://example.org" in ended.stdout
    assert "  nobody" in lines
    assert "  none is attached" in lines
    assert ended.image["digest"] == image["digest"]
    unsigned = ask(keys, repository, "1.0", "--trust-store", keys / "ours.crt")
    assert "✘ denied, by its signature and the trust store alone" in unsigned.stdout
    assert "it has no signature" in unsigned.stdout


def test_the_whole_story(
    repository: Repository, keys: Path, sign: Callable[..., None], trace: Callable[..., dict[str, Any]]
) -> None:
    """Patched, with evidence new and old, re-signed, with a stranger's signature and documents beside ours."""
    original = repository.image(BASE, "1.0")
    image = patched(repository, original, [*BASE, PATCHES[0]], "1.0-1")["digest"]
    before, after, facts = reports(image)
    attach(repository, original["digest"], artifact_types.SARIF, before)
    for artifact_type, content in (
        (artifact_types.SARIF, after),
        (artifact_types.RESULT, facts),
        (artifact_types.SPDX, b'{"spdxVersion": "SPDX-2.3", "packages": [{}, {}]}'),
        (artifact_types.OPENVEX, b'{"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{"status": "fixed"}]}'),
        (artifact_types.CYCLONEDX, b'{"bomFormat": "CycloneDX", "components": [{}]}'),
    ):
        sign(attach(repository, image, artifact_type, content, **{artifact_types.CREATED: "2026-11-23T06:00:00Z"}))
    older = before.replace(b"2026-11-23T06", b"2026-11-20T06")
    sign(attach(repository, image, artifact_types.SARIF, older), "stranger")
    attach(repository, image, "application/vnd.example.note", b"hello")
    sign(image, "ours", "--user-metadata", "run=1", "--signature-format", "jws")
    sign(image, "stranger")
    sign(image, "ours", "--user-metadata", "run=2")

    story = trace("1.0-1")

    subject = story["subject"]
    assert subject["reference"].endswith(image)
    assert subject["patched"] == "2026-11-23T07:05:00Z"
    signed = [
        (signature["trust"], signature["signer"][:11], signature["signature_format"], signature["metadata"])
        for signature in subject["signatures"]
    ]
    assert sorted(signed, key=str) == [
        ("refused", "CN=stranger", "cose", {}),
        ("trusted", "CN=ours,O=s", "cose", {"run": "2"}),
        ("trusted", "CN=ours,O=s", "jws", {"run": "1"}),
    ]
    [stranger] = [signature for signature in subject["signatures"] if signature["trust"] == "refused"]
    assert "trust store does not lead to" in stranger["reason"]
    assert len(stranger["thumbprint"]) == 64
    assert stranger["signed_at"] > "2026"
    documents = {
        (document["kind"], document["artifact_type"], document["created"][:10]): document
        for document in subject["documents"]
    }
    newest = documents["report", artifact_types.SARIF, "2026-11-23"]
    assert (newest["problem"], newest["counts"]["low"], len(newest["findings"])) == ("", 1, 1)
    assert [signature["trust"] for signature in newest["signatures"]] == ["trusted"]
    summaries = {kind: document["told"] for (kind, *_), document in documents.items() if document["told"]}
    assert summaries == {"SBOM": summaries["SBOM"], "VEX": "1 statement, 1 fixed", "result": summaries["result"]}
    assert summaries["result"].startswith("s3c chain: passed; against its original: Only these ")
    assert {document["told"] for document in subject["documents"] if document["kind"] == "SBOM"} == {
        "2 packages",
        "1 component",
    }
    [foreign] = [document for document in subject["documents"] if document["problem"]]
    assert foreign["problem"].startswith("it is about another image")
    assert [signature["trust"] for signature in foreign["signatures"]] == ["refused"]
    [ancestor] = story["ancestors"][:1]
    assert (ancestor["relation"], ancestor["said_by"]) == ("patched", "the attached result.json")
    change = story["change"]
    assert change["source"] == "the attached result.json, signed by a trusted signer"
    assert (len(change["fixed"]), len(change["left"]), change["left"][0]["reason"]) == (6, 1, "Debian has no fix yet")
    assert story["judgement"]["verdict"] == "admitted"
    assert story["judgement"]["by"] == "its signature and the trust store alone"


def test_the_policy_gives_the_verdict_that_policy_check_gives(
    repository: Repository, keys: Path, sign: Callable[..., None]
) -> None:
    image = repository.image(BASE, "1.0")["digest"]
    policy = keys / "s3c-policy.yaml"
    policy.write_text("version: 1\nsigners: [{name: ours, certificate: ours.crt}]\n")
    sign(image)
    sign(image, "stranger")
    reference = f"{repository.registry}/{repository.name}@{image}"
    checked = s3c(keys, "policy", "check", reference, "--policy", policy)
    assert (checked.code, "it has no scan report" in checked.stderr) == (1, True)
    ended = ask(keys, repository, "1.0", "--policy", policy, "--format", "json")
    assert ended.code == 0, ended.stderr
    story = json.loads(ended.stdout)
    assert story["judgement"]["verdict"] == "denied"
    assert story["judgement"]["by"].startswith("the policy sha256:")
    assert all(reason in checked.stderr for reason in story["judgement"]["reasons"])
    assert sorted(signature["trust"] for signature in story["subject"]["signatures"]) == ["refused", "trusted"]
    both = ask(keys, repository, "1.0", "--policy", policy, "--trust-store", keys / "ours.crt")
    assert (both.code, "trust-store" in both.stderr) == (2, True)


def test_patched_twice_and_a_label_that_lies(repository: Repository, trace: Callable[..., dict[str, Any]]) -> None:
    first = repository.image(BASE, "1.0")
    second = patched(repository, first, [*BASE, PATCHES[0]], "1.0-1")
    third = patched(repository, second, [*BASE, PATCHES[0], PATCHES[1]], "1.0-2")
    before, after, _ = reports(third["digest"])
    attach(repository, second["digest"], artifact_types.SARIF, before)
    attach(repository, third["digest"], artifact_types.SARIF, after)
    story = trace("1.0-2")
    assert [ancestor["named"].partition("@")[2] for ancestor in story["ancestors"]] == [
        second["digest"],
        first["digest"],
    ]
    assert [ancestor["proven"] for ancestor in story["ancestors"]] == [True, True]
    assert (story["change"]["source"], len(story["change"]["fixed"])) == (
        "the newest reports attached to both images",
        6,
    )
    other = repository.image([BASE[1]], "other")
    patched(repository, other, [BASE[0], PATCHES[2]], "liar")
    [lied] = trace("liar")["ancestors"]
    assert lied["proven"] is False
    nowhere = {"digest": f"sha256:{'0' * 64}"}
    patched(repository, nowhere, BASE, "orphan")
    [orphan] = trace("orphan")["ancestors"]
    assert (orphan["subject"], orphan["proven"]) == (None, None)
    assert "does not exist" in orphan["problem"]


def test_what_is_broken_is_told_and_hides_nothing(
    repository: Repository, sign: Callable[..., None], trace: Callable[..., dict[str, Any]]
) -> None:
    image, other = (repository.image(BASE[:number], f"{number}.0")["digest"] for number in (2, 1))
    _, after, _ = reports(image)
    sign(image)
    sign(other)
    sign(attach(repository, image, artifact_types.SARIF, after))
    [moved] = signatures(f"{repository.registry}/{repository.name}@{other}")
    manifest = repository.get(moved)
    manifest["subject"]["digest"] = image
    moved_here = repository.put_manifest(manifest, "moved")
    wrong = document_of(repository, other, artifact_types.SPDX, b"{}", {})
    missing = document_of(repository, image, artifact_types.CYCLONEDX, b"{}", {})
    envelope = repository.put_manifest(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": artifact_types.SIGNATURE,
            "config": descriptor(artifact_types.SIGNATURE, b"{}"),
            "layers": [{"mediaType": "application/cose", "digest": repository.put_blob(b"\x81" * 5000), "size": 5000}],
            "subject": descriptor(MANIFEST, repository.raw(image)[0]),
        },
        "envelope",
    )
    index = repository.index([], "strange")
    more = [
        {**moved_here, "artifactType": artifact_types.SIGNATURE},
        wrong,
        missing,
        {**envelope, "artifactType": artifact_types.SIGNATURE},
        {**index, "mediaType": INDEX, "artifactType": artifact_types.OPENVEX},
        document_of(repository, image, artifact_types.RESULT, b"[" * 100_000, {}),
        document_of(repository, image, artifact_types.SARIF, b"{", {artifact_types.CREATED: "yesterday"}),
        document_of(repository, image, "", b"no type", {}),
        document_of(repository, image, artifact_types.SARIF, b"no blob", {}),
    ]
    list_referrers(repository, image, more)
    repository.delete(missing["digest"])
    repository.delete(digest_of(b"no blob"), "blobs")

    story = trace(f"@{image}")

    trusts = {
        signature["digest"]: (signature["trust"], signature["reason"]) for signature in story["subject"]["signatures"]
    }
    assert sorted(trust for trust, _ in trusts.values()) == ["broken", "broken", "trusted"]
    assert trusts[moved_here["digest"]] == ("broken", "it was made for another digest and moved here")
    assert trusts[envelope["digest"]] == ("broken", "its envelope is not CBOR")
    documents = story["subject"]["documents"]
    problems = {
        document["artifact_type"]: document["problem"]
        for document in documents
        if document["problem"] and not document["content"]
    }
    problems |= {
        document["artifact_type"]: document["problem"]
        for document in documents
        if document["problem"] and document["content"]
    }
    assert f"{digest_of(b'no blob')}, which a manifest names, is missing" in {
        document["problem"] for document in documents
    }
    assert problems == {
        artifact_types.SPDX: "its manifest refers to another digest",
        artifact_types.CYCLONEDX: problems[artifact_types.CYCLONEDX],
        artifact_types.OPENVEX: "its manifest refers to another digest",
        artifact_types.RESULT: "it is not JSON",
        artifact_types.SARIF: "it is not JSON",
    }
    assert "does not exist" in problems[artifact_types.CYCLONEDX]
    good = [document for document in documents if document["counts"] and not document["problem"]]
    assert [len(document["findings"]) for document in good] == [1]
    assert story["judgement"]["verdict"] == "admitted"


def test_a_thousand_referrers(
    repository: Repository, sign: Callable[..., None], trace: Callable[..., dict[str, Any]]
) -> None:
    image = repository.image(BASE, "1.0")["digest"]
    _, after, _ = reports(image)
    data, media_type = repository.raw(image)
    report = {"mediaType": artifact_types.SARIF, "digest": repository.put_blob(after), "size": len(after)}
    repository.put_blob(b"{}")
    sign(image)
    more = []
    for number in range(1000):
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": artifact_types.SARIF,
            "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [report],
            "subject": descriptor(media_type, data),
            "annotations": {artifact_types.CREATED: f"2026-11-23T{number // 60:02}:{number % 60:02}:00Z"},
        }
        tag = digest_of(json.dumps(manifest).encode())
        more.append(
            {**repository.put_manifest(manifest, tag), **{k: manifest[k] for k in ("artifactType", "annotations")}}
        )
    list_referrers(repository, image, more)
    story = trace("1.0")
    subject = story["subject"]
    assert (subject["referrers"], len(subject["documents"]), subject["unread"]) == (1001, 1000, 995)
    assert {document["digest"] for document in subject["documents"] if document["read"]} == {
        referrer["digest"] for referrer in more[-5:]
    }
    assert [signature["trust"] for signature in subject["signatures"]] == ["trusted"]


def test_an_index_and_its_platforms(
    repository: Repository, sign: Callable[..., None], trace: Callable[..., dict[str, Any]]
) -> None:
    images = [repository.image(BASE, name, architecture=name) for name in ("amd64", "arm64")]
    lost = repository.image(BASE, "lost", architecture="s390x")
    index = repository.index([*images, lost], "1.0")["digest"]
    repository.delete(lost["digest"])
    _, after, _ = reports(images[1]["digest"])
    sign(index)
    sign(images[1]["digest"])
    sign(attach(repository, images[1]["digest"], artifact_types.SARIF, after))
    story = trace("1.0")
    assert story["subject"]["platform"] == ""
    assert [signature["trust"] for signature in story["subject"]["signatures"]] == ["trusted"]
    amd64, arm64, s390x = story["platforms"]
    assert [platform["platform"] for platform in story["platforms"]] == ["linux/amd64", "linux/arm64", "linux/s390x"]
    assert (amd64["signatures"], amd64["documents"], amd64["layers"]) == ([], [], 2)
    assert [signature["trust"] for signature in arm64["signatures"]] == ["trusted"]
    assert [document["counts"]["low"] for document in arm64["documents"]] == [1]
    assert "does not exist" in s390x["problem"]


def test_what_cannot_be_traced(keys: Path, repository: Repository) -> None:
    repository.image(BASE, "1.0")
    ended = ask(keys, repository, "2.0")
    assert ended.code == 2
    assert "tag 2.0 does not exist" in ended.stderr
    ended = ask(keys, repository, "1.0", "--trust-store", keys / "none.crt")
    assert (ended.code, "none.crt' does not exist" in ended.stderr) == (2, True)
    ended = ask(keys, repository, "1.0", "--trusted-identity", "C=US, ST=WA, O=x")
    assert (ended.code, "trust-store" in ended.stderr) == (2, True)
    ended = s3c(keys, "trace", "localhost:1/gone:1")
    assert (ended.code, "refused the connection" in ended.stderr) == (3, True)
