import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from s3c_actions.commands.chain import _replacements, _trace_images
from s3c_actions.core.concurrency import Limits
from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.core.progress import Silent
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.layers.comparison import ImageComparison, PlatformComparison
from s3c_actions.layers.difference import FileChange
from s3c_actions.options.chain import ChainInputs
from s3c_actions.options.declare import read
from s3c_actions.result.model import (
    Admission,
    DeployResult,
    ImageOutcome,
    PatchResult,
    ScanResult,
    SignResult,
    VerifyResult,
)
from s3c_actions.result.smoke import PlatformSmoke, SmokeRefused, SmokeResult, SmokeVerdict
from s3c_actions.steps import chain
from s3c_actions.wiring import tracing
from tests.support.outcomes import PASSED, certificate

ORIGINAL = "localhost:5000/app@sha256:" + "a" * 64
PATCHED = "localhost:5000/app@sha256:" + "b" * 64
BAD = Finding(
    kind=FindingKind.VULNERABILITY, id="CVE-2026-1", severity=Severity.CRITICAL, package="libssl3", fixed="3.1"
)
CERTIFICATE = certificate()


GATE = Threshold(fail_on=Severity.CRITICAL, fixable_only=True)


def scanned(reference, *findings):
    return ScanResult(
        image="localhost:5000/app:1",
        reference=reference,
        report=ScanReport(
            image=reference, digest=reference.rpartition("@")[2], findings=findings, created="", database=""
        ),
        trivy_json=Path("r.json"),
        **PASSED | {"refused": GATE.refused(findings)},
    )


class World:
    """The steps as the chain sees them, writing down in which order they were called."""

    def __init__(self, *, left=(), missing=(), down=(), changes=None):
        self.calls = []
        self.changes = changes
        self.left, self.missing, self.down = left, missing, down
        self.digests = {}

    def resolve(self, image):
        self.calls.append(("resolve", image))
        if image in self.missing:
            raise InputError("image", f"{image} does not exist.")
        return self.digests.get(image, image)

    def scan(self, image):
        self.calls.append(("scan", image))
        if image in self.down:
            raise OutsideError("The registry did not answer.")
        return scanned(ORIGINAL, BAD)

    def patch(self, scan):
        self.calls.append(("patch", scan.reference))
        return PatchResult(
            image=scan.image,
            original=scan.reference,
            reference=PATCHED,
            tag="1-1",
            patched=True,
            skipped=False,
            before=scan,
            after=scanned(PATCHED, *self.left),
            changes=self.changes,
        )

    def sign(self, reference):
        self.calls.append(("sign", reference))
        return SignResult(
            reference=reference,
            signature_digest="sha256:" + "c" * 64,
            certificate=CERTIFICATE,
            signature_format="cose",
            skipped=False,
            verified=True,
        )

    def verify(self, reference):
        self.calls.append(("verify", reference))
        return VerifyResult(
            reference=reference, policy="p", signature_digest="sha256:" + "c" * 64, signer="CN=s3c-test"
        )

    def run(self, *images, jobs=1, unexpected_changes="warn"):
        steps = chain.ChainSteps(
            resolve=self.resolve,
            scan=self.scan,
            patch=self.patch,
            sign=self.sign,
            verify=self.verify,
        )
        settings = chain.ChainSettings(images=images, gate=GATE, unexpected_changes=unexpected_changes, jobs=jobs)
        return chain.run(settings, steps, Silent())


def test_every_step_hands_on_a_digest():
    world = World()
    (outcome,) = world.run("app:1")
    assert [call[0] for call in world.calls] == ["scan", "patch", "sign", "verify"]
    assert world.calls[-2:] == [("sign", PATCHED), ("verify", PATCHED)]
    assert outcome.reference == PATCHED
    assert outcome.failure is None


def test_nothing_is_signed_that_does_not_work_and_what_was_seen_is_kept():
    platform = PlatformSmoke(platform="linux/amd64", verdict=SmokeVerdict.DIFFERS, differences=("it crashed",))
    result = SmokeResult(original=ORIGINAL, reference=PATCHED, platforms=(platform,))

    class Broken(World):
        def patch(self, scan):
            raise SmokeRefused(result)

    world = Broken()
    (outcome,) = world.run("app:1")
    assert [call[0] for call in world.calls] == ["scan"]
    assert isinstance(outcome.failure, SmokeRefused) and outcome.compared is result


def test_nothing_is_signed_that_the_gate_refuses():
    world = World(left=(BAD,))
    (outcome,) = world.run("app:1")
    assert "sign" not in [call[0] for call in world.calls]
    assert isinstance(outcome.failure, Refused)
    assert "libssl3" in outcome.failure.what
    assert outcome.patch is not None


def compared(**more):
    backdoor = FileChange(path="backdoor", action="added", reason="no package owns it")
    platform = PlatformComparison(platform="linux/amd64", before="", after="", **{"files": (backdoor,), **more})
    return ImageComparison(before=ORIGINAL, after=PATCHED, platforms=(platform,))


UNREADABLE = ImageComparison(before=ORIGINAL, after=PATCHED, platforms=(), unread=("the registry is down",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (compared(), "/backdoor was added: no package owns it"),
        (compared(files=(), unread=("a layer is sparse",)), "a layer is sparse"),
        (UNREADABLE, "the registry is down"),
    ],
)
def test_nothing_is_signed_that_changed_in_more_than_packages(changes, words):
    world = World(changes=changes)
    (outcome,) = world.run("app:1", unexpected_changes="fail")
    assert "sign" not in [call[0] for call in world.calls]
    assert isinstance(outcome.failure, Refused)
    assert words in outcome.failure.what
    assert outcome.patch is not None
    assert outcome.patch.changes is changes


@pytest.mark.parametrize(
    ("changes", "mode"), [(compared(), "warn"), (compared(), "ignore"), (compared(files=()), "fail"), (None, "fail")]
)
def test_changes_that_are_accepted_are_signed(changes, mode):
    (outcome,) = World(changes=changes).run("app:1", unexpected_changes=mode)
    assert outcome.failure is None
    assert outcome.sign is not None


def test_a_finding_without_a_fix_passes_a_gate_for_fixable_ones():
    unfixed = Finding(kind=FindingKind.VULNERABILITY, id="CVE-2026-2", severity=Severity.CRITICAL, package="zlib1g")
    (outcome,) = World(left=(unfixed,)).run("app:1")
    assert outcome.failure is None


def test_a_missing_image_stops_before_anything_is_done():
    world = World(missing=("b:1",))
    with pytest.raises(InputError):
        world.run("a:1", "b:1")
    assert "scan" not in [call[0] for call in world.calls]


def test_the_same_image_twice_is_refused():
    with pytest.raises(InputError, match="more than once"):
        World().run("a:1", "a:1")


def test_one_image_that_fails_does_not_stop_the_others():
    broken, fine = World(down=("a:1",)).run("a:1", "b:1")
    assert isinstance(broken.failure, OutsideError)
    assert broken.failure.image == "a:1"
    assert fine.failure is None and fine.verify is not None


def denied(admission):
    return Refused(f"{admission.reference} was not admitted.")


def deployed(outcomes, *admissions, failure=None):
    """The images after a deploy step that answers with these admissions, and what the step was given."""
    given = []

    def step(images):
        given.extend(images)
        if failure is not None:
            raise failure
        return DeployResult(admissions=admissions)

    images, result = chain.deploy(outcomes, step, denied, Silent())
    return images, result, given


def test_what_came_out_is_deployed_and_each_image_has_the_gates_word():
    outcomes = World().run("app:1")
    admission = Admission(image="localhost:5000/app:1", reference=PATCHED, verdict="admitted")
    other = Admission(image="redis", reference="docker.io/library/redis@sha256:" + "d" * 64, verdict="admitted")
    (image,), result, given = deployed(outcomes, other, admission)
    assert [entry.reference for entry in given] == [PATCHED]
    assert (image.admission, image.failure) == (admission, None)
    assert result is not None and result.admissions == (other, admission)


def test_nothing_is_deployed_when_an_image_failed():
    outcomes = World(down=("a:1",)).run("a:1", "b:1")
    images, result, given = deployed(outcomes)
    assert (images, result, given) == (outcomes, None, [])


def test_a_denial_is_the_images_own_failure():
    outcomes = World().run("app:1")
    (image,), _, _ = deployed(
        outcomes,
        Admission(image="app", reference=PATCHED, verdict="admitted"),
        Admission(image="app:1", reference=PATCHED, verdict="denied", reason="it has no signature"),
    )
    assert image.admission is not None and image.admission.verdict == "denied"
    assert isinstance(image.failure, Refused)


def test_a_deployment_that_could_not_begin_does_not_hide_what_was_signed():
    outcomes = World().run("app:1")
    (image,), result, _ = deployed(outcomes, failure=OutsideError("The cluster does not answer."))
    assert image.sign is not None and image.failure is None
    assert result is not None and result.failure is not None and "does not answer" in result.failure.what


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (("localhost:5000/app:1", "localhost:5000/db:2"), ("localhost:5000/app", "localhost:5000/db")),
        (("localhost:5000/app:1", "localhost:5000/app:2"), ("localhost:5000/app:1", "localhost:5000/app:2")),
        ((f"localhost:5000/app:1@sha256:{'e' * 64}",), ("localhost:5000/app",)),
    ],
)
def test_an_image_replaces_all_of_its_repository_and_of_two_each_its_tag(images, names):
    replacements = _replacements(dict.fromkeys(images, PATCHED))
    assert tuple(str(replacement.name) for replacement in replacements) == names
    assert {replacement.image.pinned for replacement in replacements} == {PATCHED}


class RecordedWarnings(Silent):
    """Keeps the warnings."""

    def __init__(self):
        self.warnings = []

    def warning(self, text):
        self.warnings.append(text)


@pytest.mark.parametrize("error", [OutsideError("The registry did not answer."), OSError(28, "No space left")])
def test_a_page_that_cannot_be_written_is_a_warning_and_changes_nothing(monkeypatch, tmp_path, error):
    def fail(_image, _tools, _folder):
        raise error

    monkeypatch.setattr(tracing, "trace_image", fail)
    context = SimpleNamespace(output=tmp_path, now=datetime.now(UTC), progress=RecordedWarnings(), limits=Limits())
    options = read(ChainInputs, {"image": "app:1,gone:1"}, {}, lambda _notice: None)
    outcomes = (
        ImageOutcome(image="app:1", reference=PATCHED),
        ImageOutcome(image="gone:1", failure=InputError("a", "b")),
    )
    assert _trace_images(options, context, outcomes, object(), None) == outcomes  # type: ignore[arg-type]
    (warning,) = context.progress.warnings
    assert warning.startswith("app:1: the page of its story could not be written: ")


def test_images_are_taken_through_the_chain_at_once_and_reported_in_order(monkeypatch):
    world, meeting = World(down=("b:1",)), threading.Barrier(2, timeout=20)
    sign = world.sign

    def sign_at_once(reference):
        meeting.wait()
        return sign(reference)

    monkeypatch.setattr(world, "sign", sign_at_once)
    outcomes = world.run("a:1", "b:1", "c:1", jobs=3)
    assert [outcome.image for outcome in outcomes] == ["a:1", "b:1", "c:1"]
    assert [bool(outcome.failure) for outcome in outcomes] == [False, True, False]


def test_two_tags_of_one_digest_are_never_patched_at_the_same_time(monkeypatch):
    world, inside, most = World(), [0], [0]
    world.digests = {"a:1": ORIGINAL, "a:latest": ORIGINAL, "b:1": "b"}
    patch, lock = world.patch, threading.Lock()

    def watched(scan):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with lock:
            inside[0] -= 1
        return patch(scan)

    monkeypatch.setattr(world, "patch", watched)
    assert len(world.run("a:1", "a:latest", jobs=4)) == 2
    assert most == [1]
    assert [outcome.image for outcome in world.run("a:1", "b:1", "a:latest", jobs=4)] == ["a:1", "b:1", "a:latest"]


def test_a_missing_image_stops_several_at_once_before_anything_is_done_too():
    world = World(missing=("b:1",))
    with pytest.raises(InputError, match="b:1"):
        world.run("a:1", "b:1", "c:1", jobs=3)
    assert "scan" not in [call[0] for call in world.calls]
