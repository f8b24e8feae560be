import json
from datetime import UTC, datetime

import pytest

from s3c_actions import registry as registries
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.plan import CurrentImage, Plan, PlannedImage, UnplannedImage
from s3c_actions.options import declare
from s3c_actions.options.find import FindInputs
from s3c_actions.programs.notation.home import NotationHome, TrustPolicy
from s3c_actions.registry import OCI_MANIFEST, Descriptor, Manifest
from s3c_actions.result.model import FindResult, FoundMatch, UnansweredImage
from s3c_actions.wiring import finding
from s3c_actions.wiring.finding import Wanted
from tests.support.contexts import create_context

A, B = "sha256:" + 64 * "a", "sha256:" + 64 * "b"
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}


@pytest.fixture
def context(tmp_path):
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    return create_context(tmp_path, {"HOME": str(tmp_path)}, output=tmp_path, now=now)


def options(**given):
    return declare.read(FindInputs, {key.replace("_", "-"): text for key, text in given.items()}, {}, lambda _old: None)


class Registry(registries.Registry):
    """Tags with their digests; `signature` means an artifact."""

    def __init__(self, **tags: str) -> None:
        self._tags = tags

    def digest(self, reference, *, field="image"):
        if reference.tag not in self._tags:
            raise InputError(field, f"tag {reference.tag} does not exist.")
        return self._tags[reference.tag]

    def tags(self, reference, *, field="image"):
        if reference.repository == "none":
            raise OutsideError("The registry is down.")
        return (*self._tags, f"sha256-{64 * 'a'}", "signature")

    def find(self, reference):
        kind = "application/vnd.example" if reference.tag == "signature" else ""
        digest = self._tags.get(reference.tag, B)
        descriptor = Descriptor(digest=digest, media_type=OCI_MANIFEST, size=1, artifact_type=kind)
        return Manifest(descriptor=descriptor, document={})


def test_a_plan_names_images_with_owners(context, tmp_path):
    plan = Plan(
        created="2026-11-29T06:00:00Z",
        fleet="0" * 64,
        shards=1,
        images=(PlannedImage(image=f"r.example/a@{A}", names=(), owner="x", seconds=1, reason="new", shard=1),),
        current=(
            CurrentImage(image=f"r.example/b@{B}", names=(), reason="ok", report=A, created="2026-11-29", counts={}),
        ),
        unplanned=(UnplannedImage(image="r.example/c:1", owner="y", what="It is gone.", exit_code=3),),
    )
    (tmp_path / "plan.json").write_bytes(plans.render(plan))
    wanted, unknown = finding.list_wanted(options(plan=str(tmp_path / "plan.json")), context)
    assert [(entry.image, entry.owner, entry.given) for entry in wanted] == [
        (f"r.example/a@{A}", "x", False),
        (f"r.example/b@{B}", "", False),
    ]
    assert [(entry.image, entry.owner, entry.reasons) for entry in unknown] == [
        ("r.example/c:1", "y", ("its digest could not be looked up: It is gone",))
    ]


def test_manifests_say_where(context, tmp_path):
    pod = {**POD, "spec": {"containers": [{"name": "web", "image": "r.example/a:1"}]}}
    (tmp_path / "pod.yaml").write_text(json.dumps(pod))
    wanted, _ = finding.list_wanted(options(manifests="pod.yaml", image="r.example/b"), context)
    assert [(entry.image, entry.place, entry.given) for entry in wanted] == [
        ("r.example/b", "", True),
        ("r.example/a:1", "pod.yaml:1", False),
    ]


def test_manifests_without_an_image_are_nothing_to_ask_about(context, tmp_path):
    (tmp_path / "map.yaml").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}')
    with pytest.raises(InputError, match="there is no image to ask about"):
        finding.list_wanted(options(manifests="map.yaml"), context)


def test_each_digest_is_asked_about_once_with_all_that_is_known():
    subjects = finding.resolve(
        [
            Wanted(image="r.example/app:1", owner="", place="x/web"),
            Wanted(image="r.example/app:2", owner="team", place="x/web"),
            Wanted(image=f"r.example/app@{A}", place="pod.yaml:1"),
            Wanted(image="r.example/app:3", owner="team"),
        ],
        Registry(**{"1": A, "2": A}),
    )
    (subject,) = subjects.known
    assert (subject.image, subject.reference.digest, subject.owner) == ("r.example/app:1", A, "team")
    assert subject.places == ("x/web", "pod.yaml:1")
    assert [(entry.image, entry.reasons) for entry in subjects.unknown] == [
        ("r.example/app:3", ("image: tag 3 does not exist",))
    ]


def test_a_repository_is_everything_that_its_tags_mean():
    subjects = finding.resolve([Wanted(image="r.example/app", given=True)], Registry(**{"1": A, "2": B, "new": B}))
    assert [(subject.image, subject.reference.digest) for subject in subjects.known] == [
        ("r.example/app:1", A),
        ("r.example/app:2", B),
    ]


@pytest.mark.parametrize("image", ["r.example/app:none", "r.example/none", "r.example/App"])
def test_an_image_that_a_person_named_fails_at_once(image):
    with pytest.raises((InputError, OutsideError)) as caught:
        finding.resolve([Wanted(image=image, given=True)], Registry())
    assert caught.value.image == image
    (unknown,) = finding.resolve([Wanted(image=image)], Registry()).unknown
    assert unknown.image == image


def test_credentials_go_to_no_registry_that_a_file_names():
    given = options(image="r.example/app", registry_username="me", registry_password="secret")
    inside = [Wanted(image="r.example/app", given=True), Wanted(image=f"r.example/b@{A}")]
    assert finding.list_registries(given, inside, Reference.parse("r.example/index:1")) == {"r.example"}
    outside = [*inside, Wanted(image="evil.example/app:1")]
    for place in (None, Reference.parse("other.example/index:1")):
        with pytest.raises(InputError, match="registry-username"):
            finding.list_registries(given, outside if place is None else inside, place)
    without = options(image="r.example/app")
    assert finding.list_registries(without, outside, None) == {"r.example", "evil.example"}


def test_credentials_need_a_registry_that_a_person_named():
    given = options(registry_username="me", registry_password="secret")
    with pytest.raises(InputError, match="registry-username"):
        finding.list_registries(given, [Wanted(image="evil.example/app:1")], None)


def test_trust_is_what_is_trusted(tmp_path):
    def home(name, certificate, identity):
        folder = tmp_path / name
        folder.mkdir()
        notation_home = NotationHome(folder)
        notation_home.trust(certificate, TrustPolicy(identities=(identity,)))
        return notation_home

    first, same = home("a", b"one", "x"), home("b", b"one", "x")
    others = [home("c", b"two", "x"), home("d", b"one", "y")]
    assert finding.hash_trust([first]) == finding.hash_trust([same])
    assert finding.hash_trust([first, others[0]]) == finding.hash_trust([others[0], same])
    assert len({finding.hash_trust(homes) for homes in ([first], *([other] for other in others), others, [])}) == 5


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"publish_index": "true"}, "index"),
        ({"index": "r.example/index"}, "index"),
        ({"index": "r.example/Index:1"}, "index"),
    ],
)
def test_an_index_has_a_tag(given, field):
    with pytest.raises(InputError) as caught:
        finding.index_place(options(**given))
    assert caught.value.field == field


def test_an_index_may_be_given_as_a_plan_is():
    assert str(finding.index_place(options(index="oci://r.example/index:1"))) == "r.example/index:1"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "policy"),
        ({"policy": "p.yaml", "trust_store": "a.crt"}, "trust-store"),
        ({"policy": "p.yaml", "vault": "kv-voting"}, "vault"),
    ],
)
def test_somebody_has_to_be_trusted_and_by_one_way(context, given, field):
    with pytest.raises(InputError) as caught, finding.open_tools(options(**given), context, {"r.example"}):
        pass
    assert caught.value.field == field


def test_what_is_not_decided_is_not_complete():
    undecided = FoundMatch(image="a", reference=f"a@{A}", problem="x")
    result = FindResult(query="x", images=2, matches=(undecided, undecided), unanswered=(UnansweredImage(image="b"),))
    assert finding.incomplete_error(result).what == "2 images cannot be answered for."


class Cluster:
    """Two Pods: one whose digest the kubelet reports, one that has not started."""

    def resource(self, _version, kind):
        return kind

    def list(self, kind, _namespace=""):
        assert kind == "Pod"
        status = {"containerStatuses": [{"name": "web", "imageID": f"r.example/app@{A}"}]}
        for name, states in (("web", status), ("late", {})):
            spec = {"containers": [{"name": "web", "image": "r.example/app:1"}]}
            yield {"metadata": {"namespace": "voting", "name": name}, "spec": spec, "status": states}


@pytest.mark.parametrize("given", [{}, {"namespaces": "voting"}, {"image": "r.example/b:1", "context": "prod"}])
def test_a_cluster_says_what_runs_where(context, monkeypatch, given):
    monkeypatch.setattr(finding, "connect_cluster", lambda _options, _context: Cluster())
    wanted, unknown = finding.list_wanted(options(**given), context)
    assert [(entry.image, entry.place) for entry in wanted if not entry.given] == [
        (f"r.example/app:1@{A}", "voting/web")
    ]
    assert [(entry.image, entry.places, entry.reasons) for entry in unknown] == [
        ("r.example/app:1", ("voting/late",), ("the cluster does not tell its digest",))
    ]


def test_an_image_of_a_plan_is_found_where_it_runs(context, monkeypatch, tmp_path):
    monkeypatch.setattr(finding, "connect_cluster", lambda _options, _context: Cluster())
    plan = Plan(
        created="2026-11-29T06:00:00Z",
        fleet="0" * 64,
        shards=1,
        images=(PlannedImage(image=f"r.example/app:1@{A}", names=(), owner="x", seconds=1, reason="new", shard=1),),
    )
    (tmp_path / "plan.json").write_bytes(plans.render(plan))
    wanted, _ = finding.list_wanted(options(plan=str(tmp_path / "plan.json"), context="prod"), context)
    (subject,) = finding.resolve(wanted, Registry()).known
    assert (subject.owner, subject.places) == ("x", ("voting/web",))
