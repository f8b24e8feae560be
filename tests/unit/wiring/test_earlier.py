"""What `sign` and `attach` take of the results that earlier steps left."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.core.secrets import Secrets
from s3c_actions.options import sign as inputs
from s3c_actions.options.declare import read
from s3c_actions.result import document
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps.merge import merge_scans
from s3c_actions.wiring.earlier import earlier
from tests.support import samples

IMAGE = f"{samples.NAME}:1.0"
PATCHED = f"{samples.NAME}@{samples.PATCHED}"
ORIGINAL = f"{samples.NAME}@{samples.DIGEST}"


def values(**given):
    flags = {"image": IMAGE, **{name: str(text) for name, text in given.items()}}
    return read(inputs.SignInputs, flags, {}, lambda _notice: None)


def leave(folder: Path, *images: ImageOutcome, command: str = "patch") -> Path:
    """A result in a folder; the files that it names lie in it as the step wrote them, below `out`."""
    folder.mkdir(parents=True, exist_ok=True)
    result = document.build_document(Outcome(command=command, images=images), datetime.now(UTC), Secrets())
    (folder / "result.json").write_text(document.render_document(result))
    return folder


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_the_rescan_and_what_the_patch_fixed_are_taken(tmp_path):
    folder = leave(tmp_path / "carried", samples.chained())
    after = write(folder / "after" / "trivy.json")
    write(folder / "trivy.json")
    vex = write(folder / "openvex.json")
    taken = earlier(values(results=folder), {IMAGE: PATCHED})
    assert (taken.field, taken.reports, taken.openvex) == ("results", (after,), {IMAGE: vex})
    assert taken.patches[IMAGE].original == ORIGINAL
    assert len(taken.patches[IMAGE].fixed) == 2
    other = write(tmp_path / "other.json")
    assert earlier(values(results=folder, openvex=other), {IMAGE: PATCHED}).openvex == {IMAGE: other}


def test_files_are_found_where_they_were_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = leave(tmp_path / "elsewhere", samples.chained())
    write(Path("out/after/trivy.json"))
    write(Path("out/openvex.json"))
    taken = earlier(values(results=folder / "result.json"), {IMAGE: PATCHED})
    assert taken.reports == (Path("out/after/trivy.json"),)
    assert taken.openvex == {IMAGE: Path("out/openvex.json")}


def test_of_several_results_the_last_scan_of_the_digest_counts(tmp_path):
    first = leave(tmp_path / "1-patch", samples.chained())
    write(first / "after" / "trivy.json")
    write(first / "openvex.json")
    scan = samples.scan(digest=samples.PATCHED, folder=Path("out/again"))
    original = ImageOutcome(image=IMAGE, reference=ORIGINAL, scan=samples.scan())
    again = ImageOutcome(image=PATCHED, reference=PATCHED, scan=replace(scan, reference=PATCHED))
    second = leave(tmp_path / "2-gate", again, original, command="scan")
    report = write(second / "again" / "trivy.json")
    taken = earlier(values(results=tmp_path), {IMAGE: PATCHED})
    assert taken.reports == (report,)
    assert taken.patches[IMAGE].patched is True


def test_of_an_index_the_report_of_every_platform_is_taken(tmp_path):
    scans = [samples.scan(digest="sha256:" + digit * 64, folder=Path("out") / digit) for digit in "cd"]
    whole = merge_scans(IMAGE, Reference.parse(PATCHED), scans)
    folder = leave(tmp_path, ImageOutcome(image=IMAGE, reference=PATCHED, scan=whole), command="scan")
    reports = tuple(write(folder / digit / "trivy.json") for digit in "cd")
    assert earlier(values(results=folder), {IMAGE: PATCHED}).reports == reports


def test_what_cannot_be_taken_is_wrong_input(tmp_path):
    folder = leave(tmp_path / "out", samples.chained())
    with pytest.raises(InputError, match=rf"^results: none of them has a scan of {ORIGINAL}\.") as caught:
        earlier(values(results=folder), {IMAGE: ORIGINAL})
    assert PATCHED in caught.value.cause
    with pytest.raises(InputError, match=r"^results: .*result\.json names out/after/trivy\.json, which is not there"):
        earlier(values(results=folder), {IMAGE: PATCHED})
    with pytest.raises(InputError, match=r"^results: it is given beside report"):
        earlier(values(results=folder, report="trivy.json"), {IMAGE: PATCHED})
    (folder / "result.json").write_text("{}")
    with pytest.raises(InputError, match=r"^results: .* is no result of s3c"):
        earlier(values(results=folder), {IMAGE: PATCHED})


def test_without_results_the_reports_given_are_taken(tmp_path):
    report, openvex = tmp_path / "trivy.json", tmp_path / "openvex.json"
    taken = earlier(values(report=report, openvex=openvex), {IMAGE: PATCHED})
    assert (taken.field, taken.reports, taken.openvex, taken.patches) == ("report", (report,), {IMAGE: openvex}, {})
