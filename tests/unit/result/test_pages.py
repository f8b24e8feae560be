"""The pages of a run link to each other, to files that this run wrote and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from msgspec.structs import replace

from s3c_actions.findings.model import Severity
from s3c_actions.findings.selection import Selection
from s3c_actions.report import formats
from s3c_actions.report.rendering import Rendering
from s3c_actions.result import pages
from s3c_actions.result.model import ImageOutcome, Outcome, ScanResult, TraceResult
from s3c_actions.trace import page as story_page
from tests.support import outcomes, stories


def written(scan: ScanResult, folder: Path) -> ScanResult:
    """A scan with its page, as its step writes it."""
    return replace(scan, files=formats.write(["html"], scan.shown, scan.rendering or Rendering(), folder))


def chained(folder: Path) -> ImageOutcome:
    image = outcomes.chain()
    assert image.scan is not None
    assert image.patch is not None
    assert image.patch.after is not None
    name = f"localhost:5000/voting-app@{outcomes.AFTER}"
    after = replace(image.patch.after, image="localhost:5000/voting-app:1.4.0-1")
    after = replace(after, report=replace(after.report, image=name))
    before, after = written(image.scan, folder), written(after, folder / "patched")
    trace = folder / "trace.html"
    trace.write_bytes(story_page.render(stories.patched()))
    return replace(
        image,
        scan=before,
        patch=replace(image.patch, before=before, after=after),
        trace=TraceResult(reference=name, story=stories.patched(), files={"trace": trace}),
    )


def linked(*images: ImageOutcome, folder: Path) -> None:
    (folder / "summary.md").write_text("")
    pages.link_pages(Outcome(command="chain", images=images), folder / "summary.md")


def related(page: Path) -> tuple[str, dict[str, Path]]:
    """The title of the page itself, and where each link of it leads."""
    (navigation,) = re.findall(r'<nav class="related".*?</nav>', page.read_text(), re.DOTALL)
    (own,) = re.findall(r'<span aria-current="page">(.*?)</span>', navigation)
    links = re.findall(r'<a href="(.*?)">(.*?)</a>', navigation)
    return own, {title: (page.parent / unquote(address)).resolve() for address, title in links}


def test_every_page_links_to_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "voting app (1)"
    linked(chained(folder), folder=tmp_path)
    places = {
        "Before the patch": folder / "report.html",
        "After the patch": folder / "patched" / "report.html",
        "Trace": folder / "trace.html",
        "Summary": tmp_path / "summary.md",
    }
    for title, page in places.items():
        if title != "Summary":
            own, links = related(page)
            assert own == title
            assert links == {name: path for name, path in places.items() if name != title}
            assert all(path.is_file() for path in links.values())


def test_the_patched_report_has_the_tag_as_its_title(tmp_path: Path) -> None:
    linked(chained(tmp_path / "app"), folder=tmp_path)
    assert "<h1>localhost:5000/voting-app:1.4.0-1</h1>" in (tmp_path / "app/patched/report.html").read_text()
    assert "<h1>localhost:5000/voting-app:1.4.0</h1>" in (tmp_path / "app/report.html").read_text()


def test_what_an_earlier_run_left_is_not_linked(tmp_path: Path) -> None:
    chained(tmp_path / "app")
    scan = written(outcomes.scan(outcomes.report()), tmp_path / "app")
    linked(ImageOutcome(image="app", scan=scan), folder=tmp_path)
    own, links = related(tmp_path / "app/report.html")
    assert own == "Report"
    assert set(links) == {"Summary"}


def test_links_change_nothing_else_of_a_page(tmp_path: Path) -> None:
    """Also not which findings are shown."""
    report = outcomes.report(*(outcomes.vulnerability(number, Severity.of(name)) for number, name in enumerate(NAMES)))
    selection = Selection(severities=(Severity.CRITICAL,))
    scan = written(outcomes.scan(report, selection=selection, rendering=Rendering(category="x")), tmp_path / "app")
    before = scan.files["html"].read_text()
    linked(ImageOutcome(image="app", scan=scan), folder=tmp_path)
    after = scan.files["html"].read_text()
    assert before != after
    assert re.sub(r'<nav class="related".*?</nav>\n', "", after, flags=re.DOTALL) == before


NAMES = ("CRITICAL", "HIGH", "LOW")


def test_the_pages_of_an_indexs_platforms(tmp_path: Path) -> None:
    parts: list[Any] = [
        written(outcomes.scan(outcomes.report(platform=f"linux/{name}")), tmp_path / "app" / name)
        for name in ("amd64", "arm64")
    ]
    whole = replace(written(outcomes.scan(outcomes.report()), tmp_path / "app"), parts=tuple(parts))
    linked(ImageOutcome(image="app", scan=whole), folder=tmp_path)
    own, links = related(tmp_path / "app/arm64/report.html")
    assert own == "Report, linux/arm64"
    assert set(links) == {"Report", "Report, linux/amd64", "Summary"}
    assert links["Report"] == (tmp_path / "app/report.html").resolve()


def test_links_for_the_summary(tmp_path: Path) -> None:
    image = chained(tmp_path / "voting-app")
    assert [(link.title, link.address) for link in pages.page_links(image, tmp_path)] == [
        ("Before the patch", "voting-app/report.html"),
        ("After the patch", "voting-app/patched/report.html"),
        ("Trace", "voting-app/trace.html"),
    ]
    assert pages.page_links(outcomes.chain(), tmp_path) == ()
