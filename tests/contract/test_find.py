"""`s3c find` against Debian's real registry, with documents that the real notation signed and verifies."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from s3c_actions.core import artifact_types
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet import store
from s3c_actions.fleet.find import index as indexes
from s3c_actions.fleet.plan import Plan, PlannedImage, UnplannedImage
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import NOTATION
from s3c_actions.registry import Writer
from s3c_actions.registry.artifacts import push_artifact, read_artifact
from s3c_lab.certificates import make
from tests.support import evidence
from tests.support.debian_registry import debian_registry, this_machine
from tests.support.findable import Fleet, purl_package, registry_client, sarif, spdx
from tests.support.signing import Ended
from tests.support.signing import s3c as run_s3c

NOW = datetime.now(UTC).replace(microsecond=0)


def stamp(before: timedelta = timedelta(hours=1)) -> str:
    return (NOW - before).strftime("%Y-%m-%dT%H:%M:%SZ")


def openssl(version: str) -> bytes:
    package = purl_package(
        f"pkg:deb/debian/libssl3@{version}?arch=amd64", version, source=f"openssl {version}", licence="Apache-2.0"
    )
    lodash = purl_package("pkg:npm/lodash@4.17.20", "4.17.20", licence="MIT")
    return spdx([package, lodash], stamp())


class Place:
    """The images of these tests, and what signs and verifies beside them."""

    def __init__(self, host: str, notation: Path, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.key, self.certificate = make("s3c-find").write(folder, "signer")
        stranger = make("stranger").write(folder, "stranger")
        self.fleet, self.stranger = Fleet(host, notation, self.key, self.certificate), Fleet(host, notation, *stranger)
        self.images = {name: self.fleet.image(f"find/{name}") for name in ("old", "new", "bare", "foreign", "stale")}
        for name, version, fleet, findings in (
            ("old", "3.0.11-1~deb12u2", self.fleet, [evidence.finding("CVE-2024-5535", fixed="3.0.13-1")]),
            ("new", "3.0.13-1", self.fleet, []),
            ("foreign", "3.0.11-1~deb12u2", self.stranger, []),
        ):
            image = self.images[name]
            fleet.attach(image, artifact_types.SPDX, openssl(version), stamp())
            fleet.attach(image, artifact_types.SARIF, sarif(image.digest, findings, stamp()), stamp())
        week = stamp(timedelta(days=8))
        stale = self.images["stale"]
        self.fleet.attach(stale, artifact_types.SARIF, sarif(stale.digest, [], week), week)
        self.policy = folder / "s3c-policy.yaml"
        self.policy.write_text(f"version: 1\nsigners: [{{name: lab, certificate: {self.certificate}}}]\n")

    def all(self) -> str:
        return ",".join(image.pinned for image in self.images.values())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    machine = this_machine()
    notation = locate(NOTATION, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield Place(address, Path(notation), tmp_path_factory.mktemp("find"))


@pytest.fixture
def find(place: Place, tmp_path: Path) -> Callable[..., Ended]:
    """Runs the command on a machine that knows nothing yet: with records and a key of this test's own."""

    def run(*arguments: str | Path, code: int = 0, images: str | None = None, trust: bool = True) -> Ended:
        images_flag = ("--image", place.all() if images is None else images) if images != "" else ()
        policy = ("--policy", place.policy) if trust else ()
        # The programs stay where they are installed.
        environment = {"S3C_STATE": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        notation = ("--notation-path", place.fleet.notation)
        ended = run_s3c(tmp_path, "find", *arguments, *images_flag, *policy, *notation, environment=environment)
        assert ended.code == code, ended.stdout + ended.stderr
        return ended

    return run


def versions_by_repository(ended: Ended) -> dict[str, list[str]]:
    """Repository → the versions found in it."""
    answers: dict[str, list[str]] = {}
    for match in ended.result["find"]["matches"]:
        assert not match["problem"]
        answers.setdefault(_name(match), []).append(match["installed"])
    return answers


def unanswered(ended: Ended) -> dict[str, str]:
    return {_name(image): "; ".join(image["reasons"]) for image in ended.result["find"]["unanswered"]}


def _name(entry: Mapping[str, Any]) -> str:
    return Reference.parse(entry["reference"] or entry["image"]).short


def test_a_package_by_its_source_and_version(find: Callable[..., Ended]) -> None:
    ended = find("openssl<3.0.13")
    assert versions_by_repository(ended) == {"old": ["3.0.11-1~deb12u2"]}
    assert ended.result["find"]["matches"][0]["package"] == "libssl3"
    assert "openssl<3.0.13: found in 1 of 5 images" in ended.stdout
    assert ended.result["find"]["complete"] is False
    open_ = unanswered(ended)
    assert set(open_) == {"bare", "foreign", "stale"}
    assert "is signed by nobody who is trusted" in open_["foreign"]
    assert open_["bare"] == "it has no bill of materials by a trusted signer"


def test_a_vulnerability_and_what_an_old_report_does_not_prove(find: Callable[..., Ended]) -> None:
    ended = find("CVE-2024-5535")
    assert versions_by_repository(ended) == {"old": ["3.0.1"]}
    assert ended.result["find"]["matches"][0]["fixed"] == "3.0.13-1"
    assert "older than 7 days" in unanswered(ended)["stale"]


def test_once_read_nothing_is_verified_again(find: Callable[..., Ended]) -> None:
    first, second = (find("npm:lodash<4.17.21", "--verbose") for _ in range(2))
    assert versions_by_repository(first) == versions_by_repository(second) == {"old": ["4.17.20"], "new": ["4.17.20"]}
    # What does not count is tried each time: a trusted signature may have come.
    assert (first.stderr.count("notation verify"), second.stderr.count("notation verify")) == (7, 2)


def test_a_trust_store_in_place_of_a_policy(find: Callable[..., Ended], place: Place) -> None:
    ended = find("license:MIT", "--trust-store", place.certificate, trust=False)
    assert set(versions_by_repository(ended)) == {"old", "new"}
    assert "none" not in find("openssl", code=2, trust=False).stdout


def test_all_of_a_repository(find: Callable[..., Ended], place: Place) -> None:
    ended = find("openssl", "--require-complete", images=f"{place.host}/find/old")
    assert (versions_by_repository(ended), ended.result["find"]["images"]) == ({"old": ["3.0.11-1~deb12u2"]}, 1)


def test_an_incomplete_answer_may_be_refused(find: Callable[..., Ended]) -> None:
    ended = find("openssl<3.0.13", "--require-complete", code=1)
    assert versions_by_repository(ended) == {"old": ["3.0.11-1~deb12u2"]}
    assert "3 images cannot be answered for." in ended.stderr


def test_csv(find: Callable[..., Ended]) -> None:
    lines = find("openssl<3.0.13", "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("answer,image,reference,package")
    assert [line.partition(",")[0] for line in lines[1:]] == ["found", *3 * ["not answered"]]


def test_an_image_that_is_not_there_is_wrong_input(find: Callable[..., Ended], place: Place) -> None:
    ended = find("openssl", images=f"{place.host}/find/old:none", code=2)
    assert "tag none does not exist" in ended.stderr


def test_a_plan_and_manifests_say_who_and_where(find: Callable[..., Ended], place: Place, tmp_path: Path) -> None:
    plan = Plan(
        created=stamp(),
        fleet="0" * 64,
        shards=1,
        images=(
            PlannedImage(
                image=place.images["old"].pinned, names=(), owner="team-a", seconds=1, reason="no report", shard=1
            ),
        ),
        unplanned=(UnplannedImage(image=f"{place.host}/find/gone:1", what="It does not exist.", exit_code=2),),
    )
    (tmp_path / "plan.json").write_bytes(plans.render(plan))
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
    pod["spec"] = {"containers": [{"name": "web", "image": place.images["old"].pinned}]}
    (tmp_path / "pod.yaml").write_text(json.dumps(pod))
    ended = find("openssl", "--plan", "plan.json", "--manifests", "pod.yaml", images="")
    (match,) = ended.result["find"]["matches"]
    assert (match["owner"], match["places"]) == ("team-a", ["pod.yaml:1"])
    assert unanswered(ended) == {"gone": "its digest could not be looked up: It does not exist"}
    (tmp_path / "fleet.yaml").write_text(
        f"version: 1\nimages: [{{repository: {place.host}/find/old, tags: {{strategy: latest}}, owner: team-b}}]\n"
    )
    ended = find("openssl", "--fleet", "fleet.yaml", images="")
    assert [(match["owner"], match["image"]) for match in ended.result["find"]["matches"]] == [
        ("team-b", f"{place.host}/find/old:1.0")
    ]
    stored = store.push_plan(Writer(registry_client()), Reference.parse(f"{place.host}/find/plan:today"), plan)
    ended = find("openssl", "--plan", f"oci://{stored.pinned}", images="")
    assert versions_by_repository(ended) == {"old": ["3.0.11-1~deb12u2"]}


# The index.


@pytest.fixture
def index(find: Callable[..., Ended], place: Place, tmp_path: Path) -> Reference:
    """An index of all images, made on this test's machine; then the machine forgets everything."""
    name = f"{place.host}/find/index:today"
    ended = find("--index", name, "--publish-index", "--key", place.key, "--certificate", place.certificate, code=0)
    for kept in (tmp_path / "cache" / "s3c" / "find").iterdir():
        kept.unlink()
    return Reference.parse(ended.result["find"]["index"])


def replaced(place: Place, index: Reference, change: Callable[[Any], Any], fleet: Fleet | None) -> None:
    """Put another index at the tag, signed by a fleet's key or by nobody."""
    registry = registry_client()
    content = json.loads(gzip.decompress(read_artifact(registry, index, registry.manifest(index), 10**8)))
    pushed = push_artifact(
        Writer(registry),
        index.tagged("today"),
        indexes.ARTIFACT_TYPE,
        gzip.compress(msgspec.json.encode(change(content))),
        annotations={},
        layer_type=indexes.LAYER_TYPE,
    )
    if fleet is not None:
        fleet.sign(index.at(pushed.digest))


def with_version(version: str) -> Callable[[Any], Any]:
    """A change: every libssl3 that the index lists has this version."""

    def change(content: Any) -> Any:
        text = json.dumps(content)
        for known in ("3.0.11-1~deb12u2", "3.0.13-1"):
            text = text.replace(known, version)
        return json.loads(text)

    return change


def test_an_index_saves_verifying_what_holds_nothing(find: Callable[..., Ended], index: Reference) -> None:
    ended = find("openssl<3.0.13", "--index", f"{index.name}:today", "--verbose")
    assert versions_by_repository(ended) == {"old": ["3.0.11-1~deb12u2"]}
    assert "5 documents of 5 taken over" in ended.stderr
    # The index, what is found, and what nobody trusted signed (2).
    assert ended.stderr.count("notation verify") == 4
    ended = find("nothing", "--index", f"oci://{index.name}:today", "--verbose")
    assert versions_by_repository(ended) == {}
    assert "known" in ended.stderr


@pytest.mark.parametrize("version", ["3.0.1-1", "9.9-1"])
@pytest.mark.parametrize("signer", ["nobody", "stranger", "key"])
def test_a_poisoned_index_neither_adds_nor_hides(
    find: Callable[..., Ended], place: Place, index: Reference, version: str, signer: str
) -> None:
    fleet = {"nobody": None, "stranger": place.stranger, "key": place.fleet}[signer]
    replaced(place, index, with_version(version), fleet)
    ended = find("openssl<3.0.13", "--index", f"{index.name}:today")
    assert versions_by_repository(ended) == {"old": ["3.0.11-1~deb12u2"]}
    messages = {
        "nobody": "it is not signed",
        "stranger": "it is signed by nobody who is trusted",
        "key": "does not agree with the documents",
    }
    assert messages[signer] in ended.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _content: ["text"], "its content is no index of this version"),
        (lambda content: {**content, "extraction": 99}, "another version of s3c made it"),
        (lambda content: {**content, "trust": "u"}, "verified by other trusted signers"),
        (lambda content: {**content, "version": 2}, "its content is no index of this version"),
    ],
)
def test_an_index_that_cannot_be_used_is_reported(
    find: Callable[..., Ended], place: Place, index: Reference, change: Callable[[Any], Any], message: str
) -> None:
    replaced(place, index, change, place.fleet)
    ended = find("openssl<3.0.13", "--index", f"{index.name}:today")
    assert versions_by_repository(ended) == {"old": ["3.0.11-1~deb12u2"]}
    assert message in ended.stderr


def test_another_signed_artifact_is_no_index(find: Callable[..., Ended], place: Place) -> None:
    ended = find("openssl<3.0.13", "--index", place.images["old"].pinned, code=0)
    assert "is not used: it is not signed" in ended.stderr
    document = place.fleet.attach(place.images["new"], artifact_types.OPENVEX, b"{}", stamp())
    ended = find("openssl<3.0.13", "--index", document.pinned)
    assert f"it is {artifact_types.OPENVEX}, and no index" in ended.stderr


def test_an_index_that_is_not_there_is_an_error(find: Callable[..., Ended], place: Place) -> None:
    assert "There is no index at" in find("openssl", "--index", f"{place.host}/find/none:1", code=3).stderr


def test_the_same_documents_make_the_same_index(find: Callable[..., Ended], place: Place, index: Reference) -> None:
    arguments = ("--index", f"{index.name}:other", "--publish-index", "--key", place.key)
    again = find(*arguments, "--certificate", place.certificate)
    contents = [
        json.loads(
            gzip.decompress(read_artifact(registry_client(), reference, registry_client().manifest(reference), 10**8))
        )
        for reference in (index, Reference.parse(again.result["find"]["index"]))
    ]
    evidences = [[record["facts"] for record in content["records"]] for content in contents]
    assert evidences[0] == evidences[1]
    assert len(evidences[0]) == 5
