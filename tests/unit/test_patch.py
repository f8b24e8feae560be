"""The patch step in a world of its own: a registry, a scanner and a Copa that are dictionaries."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.errors import InputError, OutsideError
from s3c_actions.image import Reference
from s3c_actions.progress import Silent
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Descriptor, ImageConfig
from s3c_actions.report.model import Finding, Kind, ScanReport, Severity
from s3c_actions.steps import patch
from s3c_actions.steps.results import ScanResult
from s3c_actions.tags import TagTemplate
from tests.outcomes import PASSED

NAME = "localhost:5000/app"


def bug(name, package="libssl3", fixed="3.1", os=True, **more):
    return Finding(
        kind=Kind.VULNERABILITY,
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


class World:
    """Images by digest: layers, platform, findings; tags; and what Copa makes of them."""

    def __init__(self, tmp_path):
        self.tmp_path = tmp_path
        self.images, self.indexes, self.tags_ = {}, {}, {}
        self.labels = {}
        self.pushed, self.scanned = [], []
        self.mends = lambda findings: tuple(f for f in findings if not (f.fixed and f.os_package))
        self.layers_of_patch = lambda layers: (*layers, "sha256:patch")
        self.outcome = True
        self.blind = {}
        self.qemu = ()

    def image(self, tag, findings=(), layers=("sha256:base",), platform="linux/amd64", labels=None):
        text = json.dumps([layers, platform, [f.id for f in findings], len(self.images)])
        digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        self.images[digest] = (layers, platform, tuple(findings))
        self.labels[digest] = labels or {}
        if tag:
            self.tags_[tag] = digest
        return digest

    def index(self, tag, *digests):
        digest = "sha256:" + hashlib.sha256("".join(digests).encode()).hexdigest()
        self.indexes[digest] = digests
        self.tags_[tag] = digest
        return digest

    # the registry

    def resolve(self, reference, *, field="image"):
        digest = reference.digest or self.tags_.get(reference.tag, "")
        if digest in self.indexes:
            images = tuple(
                Descriptor(digest=one, media_type=OCI_MANIFEST, size=1, platform=self.images[one][1])
                for one in self.indexes[digest]
            )
            attestation = Descriptor(
                digest="sha256:" + "9" * 64, media_type=OCI_MANIFEST, size=1, platform="unknown/unknown"
            )
            return Descriptor(digest=digest, media_type=OCI_INDEX, size=1, manifests=(*images, attestation))
        if digest not in self.images:
            raise InputError(field, f"tag {reference.tag} does not exist.")
        return Descriptor(digest=digest, media_type=OCI_MANIFEST, size=1)

    def config(self, reference, *, platform="", field="image"):
        digest = self.resolve(reference).digest
        layers, has, _ = self.images[digest]
        document = {"config": {"labels": self.labels[digest]}}
        return ImageConfig(manifest=digest, platform=has, diff_ids=layers, labels={}, document=document)

    def tags(self, _reference):
        return tuple(self.tags_)

    # the others

    def scan(self, pinned, name=""):
        digest = pinned.rpartition("@")[2]
        self.scanned.append((digest, name))
        layers, platform, findings = self.images[digest]
        path = self.tmp_path / f"{digest[7:19]}.json"
        path.write_text("{}")
        report = ScanReport(
            image=pinned,
            digest=digest,
            platform=platform,
            findings=findings,
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
        made = [
            self.image("", self.mends(findings), self.layers_of_patch(layers), platform)
            for layers, platform, findings in (
                self.images[one] for one in self.indexes.get(image.digest, [image.digest])
            )
        ]
        self.tags_[tag] = made[0]
        if len(made) > 1:
            self.index(tag, *made)
        return True

    def patch(self, image=f"{NAME}:1", tag="{tag}-{n}", before=None, **more):
        settings = patch.PatchSettings(image=image, tag=TagTemplate.parse(tag), temp=self.tmp_path, **more)
        tools = patch.PatchTools(
            registry=self,  # type: ignore[arg-type]
            scan=self.scan,
            rescan=self.scan,
            patch=self.copa,
            builds=lambda platform: platform.startswith("linux/amd64") or platform in self.qemu,
            host="amd64",
            progress=Silent(),
            now=datetime(2026, 11, 23, tzinfo=UTC),
        )
        return patch.run(settings, tools, before)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_patches_by_digest_and_proves_it(world, tmp_path):
    original = world.image("1", [FIXABLE, OTHER, UNFIXED, PYTHON])
    result = world.patch(vex=tmp_path / "vex.json")
    assert world.pushed == [(f"{NAME}@{original}", tmp_path / f"{original[7:19]}.json", "1-1")]
    assert (result.patched, result.skipped, result.tag, result.reason) == (True, False, "1-1", "")
    assert result.original == f"{NAME}@{original}"
    assert result.reference == f"{NAME}@{world.tags_['1-1']}"
    assert {f.id for f in result.fixed} == {"CVE-1", "CVE-2"} and result.new == ()
    assert {one.finding.id: one.reason for one in result.left} == {
        "CVE-3": "the distribution will not fix it",
        "CVE-4": "Copa does not upgrade python-pkg packages: rebuild the image with 3.1",
    }
    assert len(json.loads((tmp_path / "vex.json").read_text())["statements"]) == 2


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


def test_a_patch_that_leaves_fixable_findings_is_not_handed_on(world):
    world.image("1", [FIXABLE, OTHER])
    world.mends = lambda findings: tuple(f for f in findings if f.id != "CVE-1")
    with pytest.raises(OutsideError, match="1 fixable findings are left in zlib1g") as caught:
        world.patch()
    assert world.tags_["1-1"] in caught.value.remedy and "1-1" in caught.value.remedy
    assert world.patch(allow_partial=True).reason.startswith("Partly patched: 1 fixable findings")


def test_a_partial_patch_that_fixes_nothing_is_never_taken(world):
    world.image("1", [FIXABLE])
    world.mends = tuple
    with pytest.raises(OutsideError, match="did not work"):
        world.patch(allow_partial=True)


def test_a_patch_that_brings_more_findings_is_not_handed_on(world):
    world.image("1", [FIXABLE])
    world.mends = lambda _: (bug("CVE-7", fixed=""), bug("CVE-8", fixed=""))
    with pytest.raises(OutsideError, match="more findings"):
        world.patch(allow_partial=True)


def test_new_findings_beside_a_gain_are_told(world):
    world.image("1", [FIXABLE, OTHER])
    world.mends = lambda _: (bug("CVE-7", fixed=""),)
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
        copa(image, report, tag)
        del world.tags_[tag]
        return True

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
            return "Nothing was recognised." if key == world.tags_.get("1-1") else default

    world.blind = Blind()
    with pytest.raises(OutsideError, match="Nothing was recognised"):
        world.patch(allow_partial=True)


# several platforms


def two(world, other="linux/amd64/v2", findings=(FIXABLE,)):
    one = world.image("", [FIXABLE, UNFIXED])
    two = world.image("", findings, layers=("sha256:base2",), platform=other)
    return world.index("1", one, two)


def test_every_platform_is_patched(world):
    listed = two(world, findings=(OTHER,))
    result = world.patch()
    assert world.pushed == [(f"{NAME}@{listed}", ["0.json", "1.json"], "1-1")]
    assert result.platforms == ("linux/amd64", "linux/amd64/v2")
    assert result.after is not None
    assert len(result.after.parts) == 2
    assert result.reference == f"{NAME}@{world.tags_['1-1']}"
    assert {f.id for f in result.fixed} == {"CVE-1", "CVE-2"}
    assert {f.id for f in result.before.report.findings} == {"CVE-1", "CVE-2", "CVE-3"}
    assert {name for _, name in world.scanned} == {"linux-amd64", "linux-amd64-v2"}
    assert world.patch().skipped and len(world.pushed) == 1


def test_a_platform_that_stays_unpatched_spoils_the_whole(world):
    two(world)
    mended = iter([(), (FIXABLE,)])
    world.mends = lambda _: next(mended)
    with pytest.raises(OutsideError, match="1 fixable findings are left"):
        world.patch()


def test_a_lost_platform_is_noticed(world):
    two(world)
    copa = world.copa

    def one_only(image, report, tag):
        copa(image, report, tag)
        world.index(tag, world.indexes[world.tags_[tag]][0])
        return True

    world.copa = one_only
    with pytest.raises(OutsideError, match="layers and platforms"):
        world.patch()


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
