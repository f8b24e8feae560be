"""Hostile text in every field of a report, through every renderer: it is shown, and does nothing else."""

from __future__ import annotations

import base64
import csv
import hashlib
import html.parser
import io
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from s3c_actions.findings.difference import Difference
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity, rank_findings
from s3c_actions.findings.threshold import Threshold
from s3c_actions.report import format_registry
from s3c_actions.report.formats import csv_file, gitlab, gitlab_codequality, html_page, junit, sarif, text_table
from s3c_actions.report.github import comment, summary
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import Outcome
from tests.support import gitlab_schema, outcomes
from tests.support.hostile import TEXTS

ANY = st.text(max_size=60) | st.sampled_from(
    [
        "|",
        "`",
        "``a",
        "\\",
        "\\|",
        "<b",
        "</details>",
        "\n\n# h",
        "](x)",
        "@a",
        "$$x$$",
        "~~~",
        "&lt;",
        "www.evil.example",
    ]
)


def report(text: str) -> ScanReport:
    """Each kind of finding, each with this text wherever Trivy copies text of others."""
    common: dict[str, Any] = {
        "id": text,
        "package": text,
        "installed": text,
        "fixed": text,
        "package_type": text,
        "purl": text,
        "target": text,
        "path": text,
        "title": text,
        "description": text,
        "status": text,
        "url": text,
        "references": (text, "https://example.org/a"),
        "remedy": text,
        "cwes": (text,),
        "source": text,
        "category": text,
        "layer": text,
    }
    findings = [
        Finding(kind=kind, severity=severity, result_class=result_class, **common)
        for severity in (Severity.CRITICAL, Severity.LOW)
        for kind, result_class in (
            (FindingKind.VULNERABILITY, "os-pkgs"),
            (FindingKind.VULNERABILITY, "lang-pkgs"),
            (FindingKind.SECRET, "secret"),
            (FindingKind.MISCONFIGURATION, "config"),
            (FindingKind.LICENSE, "license"),
        )
    ]
    aside = Finding(kind=FindingKind.VULNERABILITY, severity=Severity.HIGH, suppressed=text or "reason", **common)
    return ScanReport(
        image=text or "x",
        digest=text or "x",
        platform=text or "x",
        os=text or "x",
        os_end_of_life=True,
        findings=rank_findings(findings),
        suppressed=(aside,),
        created=text or "x",
        scanner_version=text or "x",
        database=text or "x",
        diff_ids=(text,),
        history=(text,),
        labels={text: text},
    )


def rendering(of: ScanReport, text: str) -> Rendering:
    change = Difference(fixed=(), new=of.findings[:2], left=of.findings[2:])
    return Rendering(
        gate=Threshold(Severity.HIGH),
        difference=change,
        dockerfile="a/Dockerfile",
        dockerfile_text=f"FROM x\nRUN {text}",
    )


def unprintable(text: str) -> list[str]:
    return [character for character in text if not character.isprintable() and character not in "\n\r"]


# CSV


def check_csv(text: str) -> None:
    of = report(text)
    data = csv_file.render(of, rendering(of, text)).decode()
    rows = list(csv.reader(io.StringIO(data, newline="")))
    assert len(rows) == 1 + len(of.findings) + len(of.suppressed)
    assert {len(row) for row in rows} == {len(csv_file.HEADER)}
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "|", "%"))
            assert not unprintable(cell)
            assert "\n" not in cell


# Plain text


def check_table(text: str) -> None:
    of = report(text)
    lines = text_table.render(of, rendering(of, text)).decode().split("\n")
    assert all(text_table.display_width(line) <= text_table.WIDTH + 1 for line in lines)
    assert not [line for line in lines if unprintable(line) or "\r" in line]
    assert sum(line.startswith(("CRITICAL", "LOW", "HIGH")) for line in lines) >= len(of.findings)
    assert len(lines) <= 60


# HTML


class Page(html.parser.HTMLParser):
    """Every tag with its attributes, the scripts' texts, and everything else as text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._script: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        self._script = attributes.get("type", "javascript") if tag in {"script", "style"} else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text += data
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


@cache
def harmless_page() -> Page:
    of = report("text")
    return Page(html_page.render(of, rendering(of, "text")).decode())


def check_html(text: str) -> None:
    of = report(text)
    source = html_page.render(of, rendering(of, text)).decode()
    page, harmless = Page(source), harmless_page()
    # A link appears only where the text is a URL, cells and versions where it is not empty; all other tags are those of
    # a harmless report.
    own = {"a", "th", "button", "td", "span"}
    assert [tag for tag, _ in page.tags if tag not in own] == [tag for tag, _ in harmless.tags if tag not in own]
    columns = sum(tag == "th" for tag, _ in page.tags)
    assert [tag for tag, _ in page.tags].count("td") == columns * min(len(of.findings), html_page.STATIC_ROWS)
    assert {frozenset(attributes) for tag, attributes in page.tags if tag in {"td", "span"}} <= {
        frozenset(attributes) for tag, attributes in harmless.tags if tag in {"td", "span"}
    } | {frozenset()}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "srcdoc", "formaction"}]
        if tag == "a":
            assert re.match(r"https?://[A-Za-z0-9.-]+", attributes["href"])
    data = json.loads(page.scripts["application/json"])
    assert [len(data["rows"]), len(data["aside"])] == [len(of.findings), len(of.suppressed)]
    assert "<" not in page.scripts["application/json"]
    [policy] = [a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv")]
    assert "default-src 'none'" in policy
    assert page.scripts["javascript"] == harmless.scripts["javascript"]
    assert not unprintable(source)


def test_the_policy_allows_the_pages_own_script_and_no_other() -> None:
    source = html_page.render(report("text"), Rendering()).decode()
    script = source.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [a["content"] for tag, a in Page(source).tags if tag == "meta" and a.get("http-equiv")]
    assert f"script-src 'sha256-{digest}';" in policy


# SARIF

RATIFY = re.compile(r"Severity:\s*(\w+)")


def check_sarif(text: str) -> None:
    of = report(text)
    log = json.loads(sarif.render(of, rendering(of, text)))
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(of.findings) + len(of.suppressed)
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert 0 < len(rule["id"]) <= 255
        assert 0 < len(rule["shortDescription"]["text"]) <= 1024
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert len(rule["properties"]["tags"]) <= 10
        first = RATIFY.search(rule["help"]["text"])
        assert first is not None
        assert first[1] in {"CRITICAL", "LOW", "HIGH"}
        assert rule["help"]["text"].startswith(first[0])
        check_inline(rule["help"]["markdown"])
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"].strip()
        place = result["locations"][0]["physicalLocation"]
        uri = place["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9._~%/@+,=-]+", uri)
        assert not uri.startswith("/")
        assert ".." not in uri.split("/")
        assert place["region"]["startLine"] >= 1


# JUnit


def check_junit(text: str) -> None:
    of = report(text)
    data = junit.render(of, rendering(of, text)).decode()
    assert "<!" not in data
    root = ElementTree.fromstring(data)
    tags = [element.tag for element in root.iter()]
    assert {*tags} <= {"testsuites", "testsuite", "properties", "property", "testcase", "failure", "skipped"}
    assert tags.count("failure") == len(of.findings)
    assert tags.count("skipped") == len(of.suppressed)
    for element in root.iter():
        for shown in (element.text or "", *element.attrib.values()):
            assert not unprintable(shown)
        assert all("\n" not in value for value in element.attrib.values())


# GitLab


def check_gitlab(text: str) -> None:
    of = report(text)
    document = json.loads(gitlab.render(of, rendering(of, text)))
    gitlab_schema.CONTAINER_SCANNING.validate(document)
    rows = document["vulnerabilities"]
    assert len(rows) == sum(finding.kind is FindingKind.VULNERABILITY for finding in of.findings)
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        check_inline(row["description"])
        assert not unprintable(json.dumps(row, ensure_ascii=False).replace("\N{WORD JOINER}", ""))


def check_codequality(text: str) -> None:
    of = report(text)
    rows = json.loads(gitlab_codequality.render(of, rendering(of, text)))
    gitlab_schema.CODE_QUALITY.validate(rows)
    assert len(rows) == len(of.findings)
    assert len({row["fingerprint"] for row in rows}) == len(rows)
    for row in rows:
        assert not unprintable(json.dumps(row, ensure_ascii=False))
        path = row["location"]["path"]
        assert not path.startswith("/")
        assert ".." not in path.split("/")


# Every format of the registry

CHECKS: dict[str, Callable[[str], None]] = {
    "csv": check_csv,
    "table": check_table,
    "html": check_html,
    "sarif": check_sarif,
    "junit": check_junit,
    "gitlab": check_gitlab,
    "gitlab-codequality": check_codequality,
}
RENDERED = [form.name for form in format_registry.FORMATS if form.renderer]


@pytest.mark.parametrize("form", RENDERED)
@TEXTS
def test_format(form: str, text: str) -> None:
    CHECKS[form](text)


@pytest.mark.parametrize("form", RENDERED)
@settings(deadline=None, max_examples=50)
@given(text=ANY)
def test_format_of_any_text(form: str, text: str) -> None:
    CHECKS[form](text)


# Markdown

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = re.compile(r"</?(?:details|details open|summary|b|sub|code)>|<br/>")


def flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from flat(token.children or [])


def check_inline(source: str) -> list[Token]:
    """No tag but ours, no link but to safe URLs, no picture, nothing that GitHub makes a mention of."""
    tokens = list(flat(GITHUB.parse(source)))
    inside = 0
    for token in tokens:
        assert token.type != "image"
        assert token.type not in {"s_open", "em_open"}
        if token.type in {"html_block", "html_inline"}:
            assert not re.sub(OURS, "", token.content).strip().startswith("<")
            inside += {"<code>": 1, "</code>": -1}.get(token.content, 0)
        if token.type == "link_open":
            assert re.match(r"https?://[A-Za-z0-9.-]+", str(token.attrs["href"]))
            inside += 1
        if token.type == "link_close":
            inside -= 1
        if token.type == "text" and not inside:
            assert not re.search(r"[@#]\w", token.content)
            assert "$$" not in source
    return tokens


def skeleton(tokens: list[Token]) -> list[str]:
    """The structure of blocks: headings, tables with their rows and cells, lists, fences, folds."""
    blocks = [token for token in tokens if token.block]
    return [f"{token.type} {token.tag}" for token in blocks if token.type != "inline"]


RENDERERS = {
    "summary": summary.render,
    "comment": lambda document: comment.render([document], run_url="https://github.example/run", note="A note."),
}


MAKERS: tuple[Callable[[str], Outcome], ...] = (
    lambda text: outcome(text, several=False),
    lambda text: outcome(text, several=True),
    lambda text: outcomes.deployed(text if text.strip() else "x"),
    lambda text: outcomes.deployed(text if text.strip() else "x", denied=True),
)


@cache
def harmless_markdown(make: Callable[[str], Outcome], name: str) -> tuple[str, list[str]]:
    """What a renderer makes of a harmless text, and the structure of its blocks."""
    source = RENDERERS[name](outcomes.document(make("no harm")))
    return source, skeleton(check_inline(source))


def check_markdown(text: str) -> None:
    for make in MAKERS:
        document = outcomes.document(make(text))
        for name, render in RENDERERS.items():
            source = render(document)
            harmless, blocks = harmless_markdown(make, name)
            assert skeleton(check_inline(source)) == blocks
            assert not [line for line in source.splitlines() if line.lstrip().startswith(("::", "##["))]
            assert not unprintable(source.replace("\N{WORD JOINER}", ""))
            # In the text, and nowhere evaluated.
            assert "49" not in source or "49" in harmless or "49" in text


def outcome(text: str, several: bool) -> Outcome:
    images = (outcomes.chain(), outcomes.hostile(text)) if several else (outcomes.hostile(text),)
    return Outcome(
        command="chain", images=images, settings=outcomes.settings(text), gate_changes=outcomes.changes(text)
    )


@TEXTS
def test_markdown(text: str) -> None:
    check_markdown(text)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(ANY)
def test_markdown_of_any_text(text: str) -> None:
    check_markdown(text)


@pytest.mark.slow
def test_a_million_characters_do_not_make_a_large_summary() -> None:
    of = outcomes.document(Outcome(command="chain", images=(outcomes.hostile("A|`" * 500_000),)))
    assert len(summary.render(of).encode()) < 200_000
    assert len(comment.render([of]).encode()) <= comment.COMMENT_BYTES
