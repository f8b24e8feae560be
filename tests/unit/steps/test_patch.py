"""The patch step in a world of its own: a registry, a scanner and a Copa that are dictionaries."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.core.tag_template import TagTemplate
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.layers.comparison import ImageComparison
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Descriptor, ImageConfig
from s3c_actions.registry.content import compute_digest, parse_manifest
from s3c_actions.result.model import ScanResult
from s3c_actions.result.smoke import PlatformSmoke, SmokeRefused, SmokeResult, SmokeVerdict
from s3c_actions.steps import patch
from tests.support.outcomes import PASSED

NAME = "localhost:5000/app"


def bug(name, package="libssl3", fixed="3.1", os=True, **more):
    return Finding(
        kind=FindingKind.VULNERABILITY,
        id=name,
        severity=Severity.HIGH,
        package=package,
        fixed=fixed,
        package_type="debian" if os else "python-pkg",
        result_class="os-pkgs" if os else "lang-pkgs",
        target="" if os else "app/requirements.txt",
        **more,
    )


FIXABLE, OTHER = bug("CVE-1"), bug("CVE-2", package="zlib1g")
UNFIXED = bug("CVE-3", fixed="", status="will_not_fix")
PYTHON = bug("CVE-4", package="jinja2", os=False)


class Warned(Silent):
    """A progress that keeps its warnings and notices."""

    def __init__(self):
        self.warnings, self.notices = [], []

    def warning(self, text):
        self.warnings.append(text)

    def notice(self, text):
        self.notices.append(text)


class World:
    """Images by digest: layers, platform, findings, configuration; tags; and what Copa makes of them."""

    def __init__(self, tmp_path):
        self.tmp_path = tmp_path
        self.images, self.indexes, self.tags_ = {}, {}, {}
        self.labels, self.configs, self.manifests = {}, {}, {}
        self.compared = []
        self.changes = ImageComparison(before="", after="", platforms=())
        self.pushed, self.scanned, self.built, self.deleted = [], [], [], []
        self.before_push = lambda target: None
        self.vouched = None
        self.smoke = None
        self.progress = Warned()
        self.fixes = lambda findings: tuple(f for f in findings if not (f.fixed and f.os_package))
        self.layers_of_patch = lambda layers: (*layers, "sha256:patch")
        self.outcome = True
        self.blind = {}
        self.suppresses = ()
        self.host, self.qemu = "amd64", ()

    def image(
        self, tag, findings=(), layers=("sha256:base",), platform="linux/amd64", labels=None, config=None, **manifest
    ):
        document = {"mediaType": OCI_MANIFEST, "layers": layers, "platform": platform, "number": len(self.images)}
        content = json.dumps({**document, **manifest}).encode()
        digest = compute_digest(content)
        self.manifests[digest] = content
        self.images[digest] = (layers, platform, tuple(findings))
        self.labels[digest] = labels or {}
        self.configs[digest] = {"Cmd": ["/app"], **(config or {})}
        if tag:
            self.tags_[tag] = digest
        return digest

    def index(self, tag, *digests, **more):
        entries = [
            {"digest": digest, "size": 1, "mediaType": OCI_MANIFEST, **self.platform(digest)} for digest in digests
        ]
        attestation = {"digest": "sha256:" + "9" * 64, "size": 1, "mediaType": OCI_MANIFEST}
        attestation["platform"] = {"os": "unknown", "architecture": "unknown"}
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*entries, attestation], **more}
        content = json.dumps(document).encode()
        digest = compute_digest(content)
        self.manifests[digest] = content
        self.indexes[digest] = digests
        if tag:
            self.tags_[tag] = digest
        return digest

    def platform(self, digest):
        names = ("os", "architecture", "variant")
        return {"platform": dict(zip(names, self.images[digest][1].split("/"), strict=False))}

    # the registry

    def find(self, reference):
        digest = reference.digest or self.tags_.get(reference.tag, "")
        if digest not in self.manifests:
            return None
        return parse_manifest(self.manifests[digest], OutsideError, digest=digest)

    def manifest(self, reference, *, field="image"):
        manifest = self.find(reference)
        if manifest is None:
            raise InputError(field, f"{reference} does not exist.")
        return manifest

    def config(self, reference, *, platform="", field="image"):
        digest = self.manifest(reference).descriptor.digest
        if digest in self.indexes:  # as the real one does: the image in it
            digest = self.indexes[digest][0]
        if digest not in self.images:
            raise OutsideError("It gave an answer that cannot be believed.")
        layers, has, _ = self.images[digest]
        document = {"config": {**self.configs[digest], "labels": self.labels[digest]}}
        return ImageConfig(manifest=digest, platform=has, diff_ids=layers, labels={}, document=document)

    def push_manifest(self, target, content, media_type):
        self.before_push(target)
        digest = compute_digest(content)
        assert target.digest in ("", digest)
        self.manifests[digest] = content
        document = json.loads(content)
        if "manifests" in document:
            self.indexes[digest] = tuple(entry["digest"] for entry in document["manifests"])
        elif digest not in self.images:  # the same image with other annotations
            same = next(
                known for known in self.images if json.loads(self.manifests[known])["number"] == document["number"]
            )
            self.images[digest], self.labels[digest] = self.images[same], self.labels[same]
            self.configs[digest] = self.configs[same]
        if target.tag:
            self.tags_[target.tag] = digest
        return Descriptor(digest=digest, media_type=media_type, size=len(content))

    def delete_tag(self, target):
        self.deleted.append(target.tag)
        return self.tags_.pop(target.tag, None) is not None

    def tags(self, _reference):
        return tuple(self.tags_)

    # the others

    def scan(self, pinned, name=""):
        digest = pinned.rpartition("@")[2]
        self.scanned.append((digest, name))
        layers, platform, findings = self.images[digest]
        path = self.tmp_path / f"{digest[7:19]}.json"
        path.write_text("{}")
        suppressed = tuple(finding for finding in findings if finding in self.suppresses and "sha256:patch" in layers)
        report = ScanReport(
            image=pinned,
            digest=digest,
            platform=platform,
            findings=tuple(finding for finding in findings if finding not in suppressed),
            suppressed=suppressed,
            diff_ids=layers,
            created="",
            database="",
        )
        judged = PASSED | {"blind": self.blind.get(digest, "")}
        return ScanResult(image=pinned, reference=pinned, report=report, trivy_json=path, **judged)

    def copa(self, image, report, tag):
        self.pushed.append((str(image), sorted(p.name for p in report.iterdir()) if report.is_dir() else report, tag))
        if self.outcome is not True:
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome
        listed = self.indexes.get(image.digest, [image.digest])
        # Of an index, the platform that there is a report of.
        wanted = {file.stem for file in report.iterdir()} if report.is_dir() else {""}
        (which,) = [digest for digest in listed if {self.images[digest][1].replace("/", "-"), ""} & wanted]
        layers, platform, findings = self.images[which]
        labels = {**self.labels[which]}
        labels.setdefault("BaseImage", str(image))
        patched = self.image(
            "", self.fixes(findings), self.layers_of_patch(layers), platform, labels, self.configs[which]
        )
        self.built.append(patched)
        self.tags_[tag + ("-" + platform.partition("/")[2].replace("/", "-")) * report.is_dir()] = patched
        if report.is_dir():
            self.index(tag, *(patched if digest == which else digest for digest in listed))
        return patched

    def compare(self, original, patched):
        self.compared.append((original.digest, patched.digest))
        return self.changes

    def patch(self, image=f"{NAME}:1", tag="{tag}-{n}", before=None, **more):
        settings = patch.PatchSettings(image=image, tag=TagTemplate.parse(tag), temp=self.tmp_path, **more)
        tools = patch.PatchTools(
            registry=self,  # type: ignore[arg-type]
            writer=self,  # type: ignore[arg-type]
            vouched=self.vouched,
            scan=self.scan,
            rescan=self.scan,
            patch=self.copa,
            builds=lambda platform: platform.startswith(f"linux/{self.host}") or platform in self.qemu,
            host=self.host,
            progress=self.progress,
            now=datetime(2026, 11, 23, tzinfo=UTC),
            smoke=self.smoke,
            compare=self.compare,
        )
        return patch.run(settings, tools, before)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_patches_by_digest_and_proves_it(world, tmp_path):
    original = world.image("1", [FIXABLE, OTHER, UNFIXED, PYTHON])
    result = world.patch(vex=tmp_path / "vex.json")
    ((image, report, tag),) = world.pushed
    assert (image, report) == (f"{NAME}@{original}", tmp_path / f"{original[7:19]}.json")
    assert re.fullmatch("s3c-[0-9a-f]{32}", tag) and set(world.tags_) == {"1", "1-1"}
    assert (result.patched, result.skipped, result.tag, result.reason) == (True, False, "1-1", "")
    assert result.original == f"{NAME}@{original}"
    assert result.reference == f"{NAME}@{world.tags_['1-1']}" == f"{NAME}@{world.built[0]}"
    assert {f.id for f in result.fixed} == {"CVE-1", "CVE-2"} and result.new == ()
    assert {left.finding.id: left.reason for left in result.left} == {
        "CVE-3": "the distribution will not fix it",
        "CVE-4": "Copa does not upgrade python-pkg packages: rebuild the image with 3.1",
    }
    assert len(json.loads((tmp_path / "vex.json").read_text())["statements"]) == 2


def test_what_is_set_aside_in_the_patched_image_alone_is_not_fixed(world, tmp_path):
    world.image("1", [FIXABLE, UNFIXED])
    world.suppresses = (UNFIXED,)
    result = world.patch(vex=tmp_path / "vex.json")
    assert [finding.id for finding in result.fixed] == ["CVE-1"]
    assert "CVE-3" not in (tmp_path / "vex.json").read_text()


@pytest.mark.parametrize(
    ("findings", "says"),
    [
        ((), "found nothing"),
        ((UNFIXED,), "has a fix yet"),
        ((PYTHON, UNFIXED), "1 of 2 findings have a fix of another"),
    ],
)
def test_with_nothing_to_patch_nothing_is_pushed(world, tmp_path, findings, says):
    original = world.image("1", findings)
    result = world.patch(vex=tmp_path / "vex.json")
    assert world.pushed == [] and not (tmp_path / "vex.json").exists()
    assert (result.patched, result.skipped, result.after) == (False, True, None)
    assert result.reference == f"{NAME}@{original}" and result.tag == "1"
    assert says in result.reason


def test_what_is_patched_is_compared_with_its_original_and_nothing_else_is(world):
    original = world.image("1", [FIXABLE])
    first = world.patch()
    again = world.patch()
    assert world.compared == [(original, first.reference.rpartition("@")[2])] * 2
    assert (first.changes, again.changes) == (world.changes, world.changes)
    world.image("2", [UNFIXED])
    assert world.patch(f"{NAME}:2").changes is None
    assert len(world.compared) == 2


def test_a_second_run_finds_the_first_by_its_layers(world):
    world.image("1", [FIXABLE, UNFIXED])
    first = world.patch()
    again = world.patch()
    assert len(world.pushed) == 1
    assert (again.patched, again.skipped, again.reference, again.tag) == (True, True, first.reference, "1-1")
    assert [f.id for f in again.fixed] == ["CVE-1"]
    assert "already" in again.reason


def test_a_run_killed_after_the_push_ends_the_same(world):
    world.image("1", [FIXABLE])
    world.copa(Reference.parse(f"{NAME}@{world.tags_['1']}"), Path("r"), "1-1")
    result = world.patch()
    assert len(world.pushed) == 1 and result.patched and result.tag == "1-1"


def test_a_tag_of_something_else_is_passed_over(world):
    world.image("1", [FIXABLE])
    world.image("1-4", [], layers=("sha256:stranger",))
    result = world.patch()
    assert result.tag == "1-5" and not result.skipped


def test_a_stale_patch_is_followed_by_a_new_one(world):
    world.image("1", [FIXABLE, OTHER])
    world.image("1-1", [OTHER], layers=("sha256:base", "sha256:old-patch"))
    result = world.patch()
    assert (result.tag, result.skipped) == ("1-2", False)


def test_an_original_pushed_again_is_patched_anew(world):
    world.image("1", [FIXABLE])
    world.patch()
    world.image("1", [FIXABLE], layers=("sha256:other-base",))
    assert world.patch().tag == "1-2"


def test_a_tag_that_moved_after_the_scan_does_not_matter(world):
    scanned = world.image("1", [FIXABLE])
    before = replace(world.scan(f"{NAME}@{scanned}"), image=f"{NAME}:1")
    world.image("1", [], layers=("sha256:moved",))
    result = world.patch(before=before)
    assert result.original == f"{NAME}@{scanned}" and result.before.report == before.report


def test_a_report_of_another_image_is_refused(world):
    world.image("1", [FIXABLE])
    other = world.scan(f"{NAME}@" + world.image("2", [FIXABLE], layers=("sha256:else",)))
    mine = f"{NAME}@{world.tags_['1']}"
    with pytest.raises(InputError, match=r"^report: .*layers differ"):
        world.patch(before=replace(other, reference=mine))
    with pytest.raises(InputError, match=r"^report: .*not of"):
        world.patch(image=mine, before=other)
    with pytest.raises(InputError, match=r"^report: .*not of"):
        world.patch(before=replace(other, reference="localhost:5000/else@" + "sha256:" + "1" * 64))
    assert world.pushed == []


def test_a_fixed_tag_moves_between_patches_of_one_original_only(world):
    world.image("1", [FIXABLE, OTHER])
    world.image("p", [OTHER], layers=("sha256:base", "sha256:old-patch"))
    assert world.patch(tag="p").tag == "p"
    world.image("1", [FIXABLE], layers=("sha256:other-base",))
    with pytest.raises(InputError, match=r"^patched-tag: p stands for another image"):
        world.patch(tag="p")
    assert world.patch(tag="p", overwrite=True).patched


def test_the_original_is_never_replaced_unasked(world):
    original = world.image("1", [FIXABLE])
    with pytest.raises(InputError, match=r"^patched-tag: 1 is the original's own tag"):
        world.patch(tag="{tag}")
    assert world.tags_["1"] == original and world.pushed == []
    assert world.patch(tag="{tag}", overwrite=True).tag == "1"


def test_a_patch_that_leaves_fixable_findings_is_not_handed_on(world, tmp_path):
    world.image("1", [FIXABLE, OTHER])
    (tmp_path / "vex.json").write_text("an earlier run's")
    world.fixes = lambda findings: tuple(f for f in findings if f.id != "CVE-1")
    with pytest.raises(OutsideError, match="1 fixable findings are left in zlib1g") as caught:
        world.patch(vex=tmp_path / "vex.json")
    assert world.built[0] in caught.value.remedy and set(world.tags_) == {"1"}
    assert world.deleted == [world.pushed[0][2]]
    assert not (tmp_path / "vex.json").exists()
    assert world.patch(allow_partial=True).reason.startswith("Partly patched: 1 fixable findings")


def test_a_partial_patch_that_fixes_nothing_is_never_taken(world):
    world.image("1", [FIXABLE])
    world.fixes = tuple
    with pytest.raises(OutsideError, match="did not work"):
        world.patch(allow_partial=True)


def test_a_patch_that_brings_more_findings_is_not_handed_on(world):
    world.image("1", [FIXABLE])
    world.fixes = lambda _: (bug("CVE-7", fixed=""), bug("CVE-8", fixed=""))
    with pytest.raises(OutsideError, match="more findings"):
        world.patch(allow_partial=True)


def test_new_findings_beside_a_gain_are_reported(world):
    world.image("1", [FIXABLE, OTHER])
    world.fixes = lambda _: (bug("CVE-7", fixed=""),)
    assert [f.id for f in world.patch().new] == ["CVE-7"]


def test_an_image_not_built_on_the_original_is_not_handed_on(world):
    world.image("1", [FIXABLE])
    world.layers_of_patch = lambda _: ("sha256:evil",)
    with pytest.raises(OutsideError, match="not built on the original's layers"):
        world.patch()


def test_a_patch_of_a_patch_may_replace_the_earlier_layer(world):
    base = world.image("", [FIXABLE])
    labels = {"BaseImage": f"{NAME}@{base}"}
    world.image("1", [FIXABLE], layers=("sha256:base", "sha256:first-patch"), labels=labels)
    world.layers_of_patch = lambda _: ("sha256:base", "sha256:whole-patch")
    assert world.patch().patched


@pytest.mark.parametrize("label", ["localhost:5000/evil@sha256:" + "e" * 64, "not a reference!", f"{NAME}:gone", 7])
def test_a_base_label_is_only_a_claim(world, label):
    world.image("", [], layers=("sha256:evil",))
    world.image("1", [FIXABLE], labels={"BaseImage": label})
    world.layers_of_patch = lambda _: ("sha256:evil", "sha256:patch")
    with pytest.raises(OutsideError, match="not built on"):
        world.patch()


def test_a_base_label_of_an_image_it_is_not_built_on_does_not_count(world):
    evil = world.image("", [], layers=("sha256:evil",))
    world.image("1", [FIXABLE], labels={"BaseImage": f"{NAME}@{evil}"})
    world.layers_of_patch = lambda _: ("sha256:evil", "sha256:patch")
    with pytest.raises(OutsideError, match="not built on"):
        world.patch()


def test_copa_that_disagrees_with_the_scan_is_a_failure(world):
    world.image("1", [FIXABLE])
    world.outcome = False
    with pytest.raises(OutsideError, match="found nothing to patch"):
        world.patch()


def test_copas_failure_goes_through(world):
    world.image("1", [FIXABLE])
    world.outcome = OutsideError("BuildKit went away.")
    with pytest.raises(OutsideError, match="went away"):
        world.patch()


def test_a_push_that_never_arrived(world):
    world.image("1", [FIXABLE])
    copa = world.copa

    def lost(image, report, tag):
        digest = copa(image, report, tag)
        del world.manifests[digest]
        return digest

    world.copa = lost
    with pytest.raises(OutsideError, match="is not in the registry"):
        world.patch()


def test_an_image_nobody_can_look_into_is_no_image_without_findings(world):
    digest = world.image("1", [])
    world.blind[digest] = "The package database was removed."
    with pytest.raises(OutsideError, match="cannot be told: The package database was removed"):
        world.patch()


def test_a_patch_nobody_can_look_into_proves_nothing(world):
    world.image("1", [FIXABLE])

    class Blind(dict[str, str]):
        def get(self, key, default=""):
            return "Nothing was recognised." if key in world.built else default

    world.blind = Blind()
    with pytest.raises(OutsideError, match="Nothing was recognised"):
        world.patch(allow_partial=True)


# several platforms


def two(world, other="linux/amd64/v2", findings=(FIXABLE,)):
    first = world.image("", [FIXABLE, UNFIXED])
    second = world.image("", findings, layers=("sha256:base2",), platform=other)
    return world.index("1", first, second)


def test_every_platform_is_patched(world):
    listed = two(world, findings=(OTHER,))
    result = world.patch()
    assert [push[:2] for push in world.pushed] == [
        (f"{NAME}@{listed}", ["linux-amd64.json"]),
        (f"{NAME}@{listed}", ["linux-amd64-v2.json"]),
    ]
    assert len({tag for *_, tag in world.pushed}) == 1 and set(world.tags_) == {"1", "1-1"}
    assert result.platforms == ("linux/amd64", "linux/amd64/v2")
    assert result.after is not None
    assert len(result.after.parts) == 2
    assert result.reference == f"{NAME}@{world.tags_['1-1']}"
    assert {f.id for f in result.fixed} == {"CVE-1", "CVE-2"}
    assert {f.id for f in result.before.report.findings} == {"CVE-1", "CVE-2", "CVE-3"}
    assert {name for _, name in world.scanned} == {"linux-amd64", "linux-amd64-v2"}
    assert world.indexes[world.tags_["1-1"]] == tuple(world.built)
    assert world.patch().skipped and len(world.pushed) == 2


def test_a_platform_that_stays_unpatched_spoils_the_whole(world):
    two(world)
    fixed = iter([(), (FIXABLE,)])
    world.fixes = lambda _: next(fixed)
    with pytest.raises(OutsideError, match="1 fixable findings are left"):
        world.patch()


def test_a_lost_platform_is_noticed(world):
    two(world)
    copa = world.copa

    def one_only(image, report, tag):
        copa(image, report, tag)
        return world.built[0]

    world.copa = one_only
    with pytest.raises(OutsideError, match="layers and platforms"):
        world.patch()
    assert "1-1" not in world.tags_


def test_platforms_that_do_not_run_here_are_named_before_anything_is_pushed(world):
    two(world, "linux/arm64")
    with pytest.raises(InputError, match="has linux/arm64, which cannot be patched on this linux/amd64"):
        world.patch()
    assert world.pushed == []
    world.qemu = ("linux/arm64",)
    assert world.patch().patched


def test_a_single_image_of_another_platform_is_refused(world):
    world.image("1", [FIXABLE], platform="linux/arm64")
    world.qemu = ("linux/arm64",)
    with pytest.raises(InputError, match="run this on a linux/arm64 machine"):
        world.patch()


def test_a_platform_that_does_not_run_here_needs_to_only_where_it_is_patched(world):
    amd = world.image("", [FIXABLE])
    world.index("1", amd, world.image("", [], platform="linux/arm64", layers=("sha256:arm",)))
    assert world.patch().patched
    assert [image for image, *_ in world.pushed] == [f"{NAME}@{world.tags_['1']}"]


def test_an_image_of_another_platform_with_nothing_to_patch_is_left_as_it_is(world):
    world.image("1", [], platform="linux/arm64")
    result = world.patch()
    assert not result.patched and result.reason.startswith("Nothing to fix")
    assert world.pushed == []


def test_a_patch_that_another_machine_made_of_its_platform_is_used_again(world):
    world.image("1", [FIXABLE], platform="linux/arm64")
    world.host = "arm64"
    assert world.patch().patched
    world.host = "amd64"
    assert world.patch().skipped


def test_an_index_of_one_image_is_that_image(world):
    only = world.image("", [FIXABLE])
    listed = world.index("1", only)
    result = world.patch()
    assert world.pushed[0][0] == f"{NAME}@{only}"
    assert result.original == f"{NAME}@{listed}" and result.platforms == ()


def test_an_index_without_images_is_refused(world):
    world.index("1")
    with pytest.raises(InputError, match="index without images"):
        world.patch()


# who else may push


EVIL = ("sha256:base", "sha256:evil")


def stranger(world, tag="1-1", **more):
    """What Copa would have made, but for one layer; by whoever may push."""
    labels = {"BaseImage": f"{NAME}@{world.tags_['1']}"}
    return world.image(tag, [], **{"layers": EVIL, "labels": labels, **more})


def test_what_signs_takes_no_earlier_patch_without_a_signature(world):
    world.image("1", [FIXABLE])
    evil = stranger(world)
    asked = []

    def vouched(reference):
        asked.append(reference)
        return False

    world.vouched = vouched
    result = world.patch()
    assert asked == [f"{NAME}@{evil}"]
    assert (result.reference, result.tag, result.skipped) == (f"{NAME}@{world.built[0]}", "1-2", False)
    assert world.tags_["1-1"] == evil and evil in world.progress.notices[0]
    assert evil not in {digest for digest, _ in world.scanned}


def test_an_earlier_patch_that_is_signed_is_taken_without_a_word(world):
    world.image("1", [FIXABLE])
    first = world.patch()
    world.vouched = lambda reference: reference == first.reference
    stranger(world, "1-2")
    again = world.patch()
    assert (again.reference, again.tag, again.skipped, len(world.pushed)) == (first.reference, "1-1", True, 1)
    assert world.progress.warnings == []


def test_a_patch_taken_by_its_content_is_noted(world):
    world.image("1", [FIXABLE])
    first = world.patch()
    assert world.patch().skipped
    (warning,) = world.progress.warnings
    assert first.reference.partition("@")[2] in warning and "reuse-patched" in warning


@pytest.mark.parametrize(
    "config",
    [
        {"Entrypoint": ["/evil"]},
        {"Cmd": ["/evil"]},
        {"Env": ["LD_PRELOAD=/evil.so"]},
        {"User": "0"},
        {"WorkingDir": "/tmp"},
        {"Volumes": {"/etc": {}}},
        {"ExposedPorts": {"22/tcp": {}}},
        {"Healthcheck": {"Test": ["CMD", "/evil"]}},
        {"OnBuild": ["RUN /evil"]},
        {"StopSignal": "SIGKILL"},
        {"cmd": ["/evil"]},
        {"LABELS": {}},
    ],
)
def test_an_earlier_patch_has_the_originals_configuration(world, config):
    world.image("1", [FIXABLE])
    evil = stranger(world, layers=("sha256:base", "sha256:patch"), config=config)
    assert world.patch().reference == f"{NAME}@{world.built[0]}"
    # Not even when it is signed: it is another image, and no patch of this one.
    del world.tags_["1-2"]
    world.vouched = lambda reference: True
    assert world.patch().reference != f"{NAME}@{evil}"


@pytest.mark.parametrize(
    ("layers", "taken"),
    [
        (("sha256:base",), False),
        (("sha256:base", "sha256:patch"), True),
        (("sha256:base", "sha256:patch", "sha256:more"), False),
        (("sha256:patch",), False),
        (("sha256:patch", "sha256:base"), False),
    ],
)
def test_an_earlier_patch_adds_the_patch_and_nothing_else(world, layers, taken):
    world.image("1", [FIXABLE])
    stranger(world, layers=layers)
    assert world.patch().skipped is taken


def test_apk_upgrades_in_two_steps_and_language_packages_in_any_number(world):
    world.image("1", [FIXABLE])
    stranger(world, layers=("sha256:base", "sha256:add", "sha256:upgrade"))
    scan = world.scan
    world.scan = lambda *args: replace(scan(*args), report=replace(scan(*args).report, os="alpine 3.22.1"))
    assert world.patch().skipped
    world.scan = scan
    assert not world.patch().skipped
    world.tags_ = {tag: digest for tag, digest in world.tags_.items() if tag in {"1", "1-1"}}
    assert world.patch(library=True).skipped


def test_content_alone_needs_copas_label(world):
    world.image("1", [FIXABLE])
    stranger(world, labels={"BaseImage": f"{NAME}@sha256:" + "7" * 64})
    assert world.patch().tag == "1-2"


def test_a_tag_that_moves_after_the_push_moves_nothing_else(world):
    world.image("1", [FIXABLE])
    copa, seen = world.copa, []

    def moved(image, report, tag):
        digest = copa(image, report, tag)
        seen.extend([tag, stranger(world, tag)])
        return digest

    world.copa = moved
    result = world.patch()
    tag, evil = seen
    assert result.reference == f"{NAME}@{world.built[0]}" == f"{NAME}@{world.tags_['1-1']}"
    # What somebody else put there is not ours to delete.
    assert world.tags_[tag] == evil and world.deleted == []
    assert evil in world.progress.warnings[0]


def test_a_patcher_that_reports_no_digest_is_not_believed_by_the_tag(world):
    world.image("1", [FIXABLE])
    copa = world.copa
    world.copa = lambda *args: bool(copa(*args))
    with pytest.raises(OutsideError, match="is not in the registry"):
        world.patch()
    assert "1-1" not in world.tags_


def test_what_was_built_has_to_be_the_original_with_a_patch(world):
    world.image("1", [FIXABLE])
    copa = world.copa
    world.copa = lambda *args: copa(*args) and stranger(world, "", config={"User": "0"})
    with pytest.raises(OutsideError, match=r"configuration is not the original's \(config\.User\)"):
        world.patch()
    world.copa = lambda *args: copa(*args) and world.index("", world.built[0])
    with pytest.raises(OutsideError, match="it is an index"):
        world.patch()
    assert "1-1" not in world.tags_


def test_a_number_that_somebody_takes_meanwhile_is_left_to_them(world):
    world.image("1", [FIXABLE])
    copa = world.copa

    def raced(*args):
        stranger(world, "1-1")
        stranger(world, "1-7")
        return copa(*args)

    world.copa = raced
    result = world.patch()
    assert (result.tag, result.after.image) == ("1-8", f"{NAME}:1-8")
    assert world.tags_["1-8"] == world.built[0] != world.tags_["1-1"]


@pytest.mark.parametrize(("tag", "overwrite"), [("p", False), ("p", True), ("{tag}", True)])
@pytest.mark.parametrize("gone", [False, True])
def test_a_fixed_tag_that_moves_meanwhile_is_not_replaced(world, tag, overwrite, gone):
    world.image("1", [FIXABLE])
    world.image("p", [OTHER], layers=("sha256:base", "sha256:old-patch"))
    name = tag.replace("{tag}", "1")
    copa = world.copa

    def moved(*args):
        if gone:
            del world.tags_[name]
        else:
            world.image(name, [], layers=("sha256:newer",))
        return copa(*args)

    world.copa = moved
    with pytest.raises(OutsideError, match="was deleted" if gone else "was moved to") as caught:
        world.patch(tag=tag, overwrite=overwrite)
    assert world.built[0] in caught.value.remedy
    assert world.tags_.get(name) != world.built[0]


def test_the_tag_is_set_to_the_digest_and_the_temporary_one_deleted(world):
    world.image("1", [FIXABLE])
    order = []
    world.before_push = lambda target: order.append((str(target), [*world.scanned]))
    result = world.patch()
    ((target, scanned),) = order
    assert target == f"{NAME}:1-1" and (world.built[0], "") in scanned
    assert world.deleted == [world.pushed[0][2]] and result.tag == "1-1"


def test_a_registry_that_deletes_the_image_with_its_tag_gets_it_again(world):
    world.image("1", [FIXABLE])

    def delete_tag(target):
        digest = world.tags_[target.tag]
        del world.manifests[digest]
        world.tags_ = {tag: known for tag, known in world.tags_.items() if known != digest}
        return True

    world.delete_tag = delete_tag
    result = world.patch()
    assert world.tags_["1-1"] == world.built[0] in world.manifests
    assert result.reference == f"{NAME}@{world.built[0]}"


def test_a_registry_that_deletes_no_tags_keeps_them(world):
    world.image("1", [FIXABLE])

    def delete_tag(_target):
        raise OutsideError("HTTP 403")

    world.delete_tag = delete_tag
    assert world.patch().tag == "1-1"
    assert set(world.tags_) == {"1", "1-1", world.pushed[0][2]}
    # They are no patches: the next run does not count them.
    assert world.patch().skipped


def test_a_version_that_copa_makes_of_the_temporary_tag_is_put_right(world):
    version = "org.opencontainers.image.version"
    world.image("1", [FIXABLE], annotations={version: "1.0.3"})
    copa = world.copa

    def annotated(image, report, tag):
        digest = copa(image, report, tag)
        document = json.loads(world.manifests[digest]) | {"annotations": {version: f"1.0.3-{tag}", "kept": "x"}}
        world.built[-1] = world.push_manifest(
            Reference.parse(f"{NAME}:{tag}"), json.dumps(document).encode(), OCI_MANIFEST
        ).digest
        return world.built[-1]

    world.copa = annotated
    result = world.patch()
    corrected = world.tags_["1-1"]
    assert result.reference == f"{NAME}@{corrected}" and corrected != world.built[0]
    assert json.loads(world.manifests[corrected])["annotations"] == {version: "1.0.3-1-1", "kept": "x"}
    assert set(world.tags_) == {"1", "1-1"}


def test_a_base_with_another_configuration_is_no_base(world):
    """Copa takes the configuration of the image that the label names, and what was added since is lost."""
    base = world.image("", [FIXABLE], config={"Cmd": ["/base"]})
    labels = {"BaseImage": f"{NAME}@{base}"}
    world.image("1", [FIXABLE], layers=("sha256:base", "sha256:first-patch"), labels=labels)
    world.layers_of_patch = lambda _: ("sha256:base", "sha256:whole-patch")
    with pytest.raises(OutsideError, match="not built on"):
        world.patch()


def test_the_index_is_made_of_what_was_built(world):
    version = "org.opencontainers.image.version"
    first = world.image("", [FIXABLE])
    second = world.image("", [UNFIXED], layers=("sha256:base2",), platform="linux/amd64/v2")
    listed = world.index("1", first, second, annotations={"title": "App", version: "1.0"})
    copa = world.copa

    def moved(image, report, tag):
        digest = copa(image, report, tag)
        world.index(tag, stranger(world, "1-0", layers=EVIL), second)
        return digest

    world.copa = moved
    result = world.patch()
    document = json.loads(world.manifests[world.tags_["1-1"]])
    assert result.reference == f"{NAME}@{world.tags_['1-1']}" and world.patch().skipped
    # The platform with nothing to patch stays; attestations are of the original, and left out.
    assert [entry["digest"] for entry in document["manifests"]] == [world.built[0], second]
    assert [entry["platform"].get("variant") for entry in document["manifests"]] == [None, "v2"]
    assert (document["annotations"]["title"], document["annotations"][version]) == ("App", "1.0-1-1")
    assert [image for image, *_ in world.pushed] == [f"{NAME}@{listed}"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda entries: entries[0].pop("platform"),
        lambda entries: entries.append({**entries[0], "digest": "sha256:" + "6" * 64, "platform": {}}),
        lambda entries: entries[0]["platform"].update(variant="v2"),
        lambda entries: entries.pop(0),
        lambda entries: entries.append(entries[0]),
        lambda entries: entries.reverse() or entries[0]["platform"].pop("variant"),
    ],
)
def test_an_index_that_says_something_else_of_its_images_is_no_earlier_patch(world, spoil):
    two(world)
    patched = world.patch().reference.partition("@")[2]
    document = json.loads(world.manifests[patched])
    spoil(document["manifests"])
    world.push_manifest(Reference.parse(f"{NAME}:1-1"), json.dumps(document).encode(), OCI_INDEX)
    assert world.tags_["1-1"] != patched
    result = world.patch()
    assert (result.skipped, result.tag) == (False, "1-2")


def test_an_index_in_an_index_is_no_earlier_patch(world):
    two(world)
    patched = world.patch().reference.partition("@")[2]
    document = json.loads(world.manifests[patched])
    document["manifests"][0]["digest"] = world.index("", document["manifests"][0]["digest"])
    world.push_manifest(Reference.parse(f"{NAME}:1-1"), json.dumps(document).encode(), OCI_INDEX)
    world.vouched = lambda reference: True
    assert world.patch().tag == "1-2"


def test_what_is_no_image_under_a_tag_of_ours_is_passed_over(world):
    world.image("1", [FIXABLE])
    for tag, media_type in (("1-1", OCI_MANIFEST), ("1-2", "text/plain")):
        content = json.dumps({"mediaType": media_type}).encode()
        world.tags_[tag] = compute_digest(content)
        world.manifests[world.tags_[tag]] = content
    assert world.patch().tag == "1-3"


def test_an_index_of_originals_is_no_patch(world):
    world.tags_["1-1"] = two(world)
    world.vouched = lambda reference: True
    assert world.patch().tag == "1-2"


def test_arm64_needs_no_variant(world):
    """Copa leaves out the variant that builders write and every arm64 image has."""
    first = world.image("", [FIXABLE])
    second = world.image("", [FIXABLE], layers=("sha256:base2",), platform="linux/arm64/v8")
    world.index("1", first, second)
    world.qemu = ("linux/arm64/v8",)
    image = world.image
    world.image = lambda tag, findings=(), layers=(), platform="", *more: image(
        tag, findings, layers, platform.removesuffix("/v8"), *more
    )
    assert world.patch().patched


def started(verdict, seen):
    """A comparison that has this verdict, and raises unless it works."""

    def compare(original, patched, pairs):
        seen.append((original, patched, pairs))
        platforms = tuple(PlatformSmoke(platform=pair.platform, verdict=verdict) for pair in pairs)
        result = SmokeResult(original=original.pinned, reference=patched.pinned, platforms=platforms)
        if verdict is not SmokeVerdict.WORKS:
            raise SmokeRefused(result)
        return result

    return compare


def test_both_images_are_started_before_the_tag_is_set(world):
    original = world.image("1", [FIXABLE])
    seen: list[Any] = []
    world.smoke = started(SmokeVerdict.WORKS, seen)
    result = world.patch()
    ((before, after, (pair,)),) = seen
    assert (before.digest, after.digest) == (original, world.built[0]) and result.smoke.verdict is SmokeVerdict.WORKS
    assert (pair.platform, pair.original.digest, pair.patched.digest) == ("linux/amd64", original, world.built[0])
    again = world.patch()
    assert again.skipped and len(seen) == 2 and again.smoke.reference == result.reference


@pytest.mark.parametrize("verdict", [SmokeVerdict.DIFFERS, SmokeVerdict.NOT_TRIED])
def test_a_patch_that_does_not_work_gets_no_tag_and_no_document(world, tmp_path, verdict):
    world.image("1", [FIXABLE])
    world.smoke = started(verdict, [])
    with pytest.raises(SmokeRefused) as caught:
        world.patch(vex=tmp_path / "vex.json")
    assert set(world.tags_) == {"1"} and not (tmp_path / "vex.json").exists()
    assert caught.value.result.reference.endswith(world.built[0])


def test_an_earlier_patch_that_does_not_work_is_not_used_again(world):
    world.image("1", [FIXABLE])
    world.patch()
    world.smoke = started(SmokeVerdict.DIFFERS, [])
    with pytest.raises(SmokeRefused):
        world.patch()


def test_with_nothing_to_patch_nothing_is_started(world):
    world.image("1", [UNFIXED])
    world.smoke = started(SmokeVerdict.DIFFERS, [])
    assert world.patch().smoke is None


def test_each_platform_is_started_beside_its_patch(world):
    amd, arm = world.image("", [FIXABLE]), world.image("", [], platform="linux/arm64", layers=("sha256:arm",))
    world.index("1", amd, arm)
    world.qemu = ("linux/arm64",)
    seen: list[Any] = []
    world.smoke = started(SmokeVerdict.WORKS, seen)
    result = world.patch()
    ((_, after, pairs),) = seen
    assert after.pinned == result.reference
    assert [(pair.platform, pair.original.digest, pair.patched.digest) for pair in pairs] == [
        ("linux/amd64", amd, world.built[0]),
        ("linux/arm64", arm, arm),
    ]
