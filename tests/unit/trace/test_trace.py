"""The story of a digest: its renderings, its schema, the documents and envelopes it is read from."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from s3c_actions.evidence import documents
from s3c_actions.findings.model import Severity
from s3c_actions.report import rendering
from s3c_actions.report.formats import sarif, text_table
from s3c_actions.result import document as result
from s3c_actions.signing import envelopes
from s3c_actions.trace import document as story_json
from s3c_actions.trace import page as story_page
from s3c_actions.trace import text as story_text
from s3c_actions.trace.model import AdmissionVerdict, Trace, TraceJudgement
from tests.support import outcomes, situations, stories
from tests.support.hostile import HOSTILE, TEXTS
from tests.unit.report.test_hostile import ANY, Page, unprintable

SCHEMA = json.loads((Path(result.__file__).parent.parent / "schemas" / "trace-1.json").read_text())


def checked(story: Trace) -> dict[str, object]:
    text = story_json.render(story)
    assert text.isascii()
    document = json.loads(text)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document  # type: ignore[no-any-return]


def test_the_json_is_what_the_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = checked(stories.patched())
    assert document["reference"] == f"{stories.NAME}@{stories.DIGEST}"
    assert document["judgement"]["verdict"] == "admitted"  # type: ignore[index]
    assert document["change"]["before"] == {"critical": 0, "high": 7, "medium": 15, "low": 1, "unknown": 0}  # type: ignore[index]
    assert checked(stories.denied())["change"] is None


def test_what_a_report_leaves_out_is_counted() -> None:
    runs = [{"results": [], "properties": {"s3c": {"omitted": number}}} for number in (20, 3, -1, "4", True)]
    report = documents.read_sarif(json.dumps({"runs": runs}).encode())
    assert report.omitted == 23
    whole = stories.patched()
    short = replace(stories.report(1, stories.attached_finding(1)), omitted=report.omitted)
    story = replace(whole, subject=replace(whole.subject, documents=(short,)))
    assert "1 high, 23 more not listed; 1 can be fixed" in story_text.render(story)
    assert "1 high · 23 more" in story_page.render(story).decode()
    checked(story)


def test_the_text_begins_with_the_verdict_and_has_every_part() -> None:
    lines = story_text.render(stories.patched()).splitlines()
    assert lines[:2] == [
        f"{stories.NAME}@{stories.DIGEST}",
        "✔ admitted, by its signature and the trust store alone",
    ]
    text = "\n".join(lines)
    assert "original     localhost:5000/voting-app:1.4.0@sha256:65a0dd9b" in text
    assert "had 7 high, 15 medium, 1 low; 23 can be fixed" in text
    assert "22 fixed in 6 packages, 1 left, 0 new" in text
    assert "  ✔ CN=release,O=Voting,ST=WA,C=US" in lines
    assert "  ✘ CN=stranger,O=Else,ST=WA,C=US" in lines
    assert "trust store does not lead to" in text
    assert re.search(r"✘ report +2026-11-21 07:08 +it is about another image", text)
    paused = "⚠ The gate (ratify-verification) is paused from 2026-11-23T07:50:00Z until 2026-11-23T08:20:00Z"
    gate: Any = checked(stories.paused())["gate"]
    assert gate["pauses"] == [
        {
            "constraint": "ratify-verification",
            "since": "2026-11-23T07:50:00Z",
            "until": "2026-11-23T08:20:00Z",
            "reason": "registry down, INC-1234",
        }
    ]
    assert f"  {paused}: registry" in story_text.render(stories.paused())
    assert paused in story_page.render(stories.paused()).decode()
    assert "⚠" not in story_page.render(stories.denied()).decode()
    denied = story_text.render(stories.denied())
    assert "✘ denied" in denied
    assert f"→ s3c sign {stories.NAME}@{stories.DIGEST}" in denied
    assert "Evidence, linux/arm64 sha256:888888888888…" in denied


def test_what_will_be_refused_soon_is_named_with_the_moment():
    coming = tuple(f"2026-12-{day} 08:00 UTC: its base is <old>" for day in range(10, 18))
    story = replace(
        stories.patched(), judgement=TraceJudgement(verdict=AdmissionVerdict.ADMITTED, by="", coming=coming)
    )
    lines = story_text.render(story).splitlines()
    assert lines[2] == "  refused from 2026-12-10 08:00 UTC: its base is <old>"
    assert sum(line.startswith("  refused from ") for line in lines) == 5
    assert "<li>from 2026-12-10 08:00 UTC: its base is &lt;old&gt;</li>" in story_page.render(story).decode()


def test_a_break_glass_exception_stands_below_the_verdict_with_all_that_is_known_of_it() -> None:
    clause = f"exception sha256:012345678901 excuses CVE-2024-1, 3 h 2 min left, by Ada: {'because ' * 30}<end>"
    story = stories.patched()
    excused = replace(story, judgement=replace(story.judgement, exceptions=(clause,)))
    text = story_text.render(excused)
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("  ⚠ exception sha256:012345678901"))
    assert first < text.splitlines().index(next(line for line in lines if line.startswith("Where it came from")))
    assert max(map(len, lines)) <= text_table.WIDTH
    assert "<end>" in text
    page = story_page.render(excused).decode()
    assert "⚠ Exception sha256:012345678901 excuses CVE-2024-1, 3 h 2 min left" in page
    assert "<end>" not in page


def test_a_command_to_copy_is_whole() -> None:
    command = f"s3c trace registry.example/{'team/' * 30}app@{stories.DIGEST} --trust-store CERTIFICATE"
    judgement = TraceJudgement(verdict=AdmissionVerdict.UNKNOWN, by="", reasons=("nobody is trusted",), remedy=command)
    lines = story_text.render(replace(stories.patched(), judgement=judgement)).splitlines()
    assert lines[1:4] == ["? not judged", "  nobody is trusted", f"  → {command}"]


def test_a_report_that_lists_what_a_policy_refuses_alone_is_not_called_empty() -> None:
    counts = {Severity.CRITICAL: 0, Severity.HIGH: 0}
    assert story_text.describe_counts(counts) == "no critical or high; others not listed"
    assert story_text.describe_counts({}) == "lists none, not all counted"
    assert story_text.describe_counts(dict.fromkeys(Severity, 0)) == "no findings"


def check_text(text: str) -> None:
    lines = story_text.render(stories.hostile(text)).split("\n")
    assert not [line for line in lines if unprintable(line) or "\r" in line]
    cut = [line for line in lines if not line.startswith("  → ")]  # a command to copy is whole
    assert len(cut) >= len(lines) - 1
    assert not [line for line in cut if text_table.display_width(line) > text_table.WIDTH + 1]
    assert len(lines) < 120
    checked(stories.hostile(text))


@TEXTS
def test_hostile_text_in_the_text_and_the_json(text: str) -> None:
    check_text(text)


@cache
def harmless_page() -> Page:
    return Page(story_page.render(stories.hostile("text")).decode())


def check_page(text: str) -> None:
    source = story_page.render(stories.hostile(text)).decode()
    page, harmless = Page(source), harmless_page()
    # A link appears only where the text is a URL, and the picture's lines break where the text does.
    ours, theirs = ([tag for tag, _ in parsed.tags if tag not in {"a", "text"}] for parsed in (page, harmless))
    assert ours == theirs
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "style", "srcdoc"}]
        assert tag not in {"script", "img", "iframe", "link", "object", "use", "image", "foreignobject"}
        if tag == "a":
            assert re.match(r"https?://[A-Za-z0-9.-]+|#", attributes["href"])
    assert not unprintable(source)


@TEXTS
def test_hostile_text_in_the_page(text: str) -> None:
    check_page(text)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(ANY)
def test_any_text(text: str) -> None:
    check_page(text)
    check_text(text)


def test_the_policy_allows_the_pages_own_style_and_no_script() -> None:
    source = story_page.render(stories.patched()).decode()
    style = source.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = [a["content"] for tag, a in Page(source).tags if tag == "meta" and a.get("http-equiv")]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_tells_everything() -> None:
    page = Page(story_page.render(stories.patched()).decode())
    for phrase in ("It would be admitted today", "22 fixed", "183 packages", "CN=stranger", "CVE-2026-0022", "1.4.0-1"):
        assert phrase in page.text
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]  # for a wide and for a narrow screen
    assert [picture["role"] for picture in pictures] == ["img", "img"]
    assert len({picture["aria-labelledby"] for picture in pictures}) == 2
    assert "patched from the original localhost:5000/voting-app:1.4.0" in page.text


# Documents


def test_our_own_report_and_its_difference() -> None:
    chained = outcomes.chain()
    assert chained.patch is not None
    assert chained.patch.after is not None
    before, after = (
        documents.read_sarif(sarif.render(scan.report, rendering.Rendering()))
        for scan in (chained.patch.before, chained.patch.after)
    )
    assert documents.count_by_severity(before.findings) == chained.patch.before.report.counts
    assert before.fixable == len(chained.patch.before.report.fixable)
    assert before.subject == outcomes.BEFORE
    assert before.created == "2026-11-23T06:00:00Z"
    assert before.findings[0].severity is Severity.HIGH
    change = documents.compare_attached(before, after, "both")
    assert len(change.fixed) == len(chained.patch.fixed)
    assert [finding.id for finding in change.left] == ["CVE-2024-0009"]


def test_what_a_report_states_of_attacks_is_marked_everywhere() -> None:
    attached = documents.read_sarif(sarif.render(situations.EXPLOITED, rendering.Rendering()))
    first, *others = attached.findings
    assert (first.id, first.severity) == ("CVE-2024-0003", Severity.LOW), "the exploited come first"
    assert (first.exploited_since, first.exploited_due, first.ransomware) == ("2026-11-22", "2026-12-13", True)
    assert [finding.epss for finding in others] == [0.00043, 0.4121]
    words = "exploited since 2026-11-22, due 2026-12-13, used for ransomware"
    assert story_text.describe_attacks(first) == words
    assert [story_text.describe_attacks(finding) for finding in others] == ["", "EPSS 41.2%"]
    story = stories.patched()
    assert story.change is not None
    newest = replace(story.subject.reports[0], findings=attached.findings)
    assert story_text.describe_document(newest).startswith("1 exploited, ")
    marked = replace(
        story,
        subject=replace(story.subject, documents=(newest,)),
        change=replace(story.change, left=attached.findings),
    )
    assert f"\n{'':<19}{words}\n" in story_text.render(marked)
    page = story_page.render(marked).decode()
    assert page.count('<span class="badge critical">exploited</span>') == 2, "in what is left, and in the report"
    assert f"<small>{words}</small>" in page
    checked(marked)


@pytest.mark.parametrize("value", ["2026-02-30", "<b>2026-01-01</b>", 20260101, None, ["2026-01-01"], "2026-01-01\n"])
def test_hostile_facts_of_attacks_are_not_known(value: object) -> None:
    names = ("exploited-since", "exploitedSince", "exploitedDue", "knownRansomware", "epss")
    result = {"ruleId": "CVE-2026-1", "message": {}, "properties": dict.fromkeys(names, value)}
    content = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [result]}]}
    report = documents.read_sarif(json.dumps(content).encode())
    (finding,) = report.findings
    assert (finding.exploited_since, finding.exploited_due, finding.ransomware, finding.epss) == ("", "", False, None)
    assert report.exploited == {}


@pytest.mark.parametrize(("value", "share"), [("0.97559", 0.97559), (1, 1.0), ("1.50000", None), (2, None), (-1, None),
                                              (True, None), ("1e-5", None), (float("inf"), None)])  # fmt: skip
def test_an_estimate_is_a_number_from_0_to_1(value: object, share: float | None) -> None:
    assert documents._share(value) == share


def test_a_report_by_another_tool() -> None:
    content = {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "Grype", "rules": [{"id": "x", "help": {"text": "Severity: CRITICAL\n"}}]}},
                "results": [
                    {"ruleId": "x", "message": {"text": "openssl is old"}},
                    {"ruleId": "x", "message": {"text": "aside"}, "suppressions": [{"kind": "external"}]},
                    {"ruleId": "unknown", "message": {}},
                ],
            }
        ],
    }
    report = documents.read_sarif(json.dumps(content).encode())
    assert [(finding.severity, finding.title) for finding in report.findings] == [
        (Severity.CRITICAL, "openssl is old"),
        (Severity.UNKNOWN, ""),
    ]
    assert report.scanner == "Grype"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"null", b"{}", b'{"runs": []}', b'{"runs": [1]}', b'{"runs": [{}]}', b"[" * 100_000,
     b'{"runs": [{"results": [1]}]}', b'{"version": 1, "images": [{"digest": 5}, null]}', b'{"packages": {}}'],
)  # fmt: skip
@pytest.mark.parametrize(
    "read", [documents.read_sarif, documents.describe_spdx, documents.describe_cyclonedx, documents.describe_openvex]
)
def test_what_is_no_document_is_refused_as_that(content: bytes, read: object) -> None:
    with pytest.raises(documents.UnusableDocument, match=r"^it "):
        read(content)  # type: ignore[operator]
    with pytest.raises(documents.UnusableDocument, match=r"^it "):
        documents.read_attached_result(content, stories.DIGEST)


def test_a_result_of_another_image_is_not_believed() -> None:
    document = {"version": 1, "command": "chain", "images": [{"digest": stories.ORIGINAL, "verdict": "passed"}]}
    with pytest.raises(documents.UnusableDocument, match="tells nothing of this image"):
        documents.read_attached_result(json.dumps(document).encode(), stories.DIGEST)
    assert (
        documents.read_attached_result(json.dumps(document).encode(), stories.ORIGINAL).description
        == "s3c chain: passed"
    )


def test_a_result_says_what_changed_against_the_original() -> None:
    sentence = "Only these 8 packages changed."
    patch: dict[str, object] = {
        "patched": True,
        "changes": {"platforms": [{"sentence": sentence}, {"sentence": sentence}, 5]},
    }
    document = {"version": 1, "command": "chain", "images": [{"digest": stories.DIGEST, "patch": patch}]}
    read = documents.read_attached_result(json.dumps(document).encode(), stories.DIGEST)
    assert read.description == "s3c chain: ; against its original: Only these 8 packages changed."
    unusable: tuple[object, ...] = ({}, {"platforms": 5}, [], None)
    for broken in unusable:
        patch["changes"] = broken
        read = documents.read_attached_result(json.dumps(document).encode(), stories.DIGEST)
        assert "original" not in read.description


# Envelopes


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "its envelope is not CBOR"),
        (b"\x9f" * 1000, "its envelope is not CBOR"),
        (b"\x81" * 1000 + b"\x00", "its envelope is not CBOR"),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "its envelope is not CBOR"),
        (cbor2.dumps([1, 2, 3, 4]), "it is no COSE_Sign1"),
        (cbor2.dumps(cbor2.CBORTag(18, [b"", {}, b"", b""])), "its protected header is not CBOR"),
        (cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps({}), {}, b"[]", b""])), "its payload is no object"),
        (b"x" * (envelopes.MAX_ENVELOPE + 1), "it is larger than 1024 KiB"),
    ],
)
def test_what_is_no_cose_envelope(content: bytes, why: str) -> None:
    with pytest.raises(envelopes.EnvelopeError, match=why):
        envelopes.read(content, envelopes.COSE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"payload": "!"}, "its payload is not Base64"),
        ({"payload": "e30"}, "its target is no object"),
        ({"header": {}}, "it holds no certificate"),
        ({"header": {"x5c": ["AAAA"]}}, "its certificate cannot be read"),
        ({"header": {"x5c": ["AAAA"] * 21}}, "it holds more than 20 certificates"),
        ({"header": {"x5c": [5]}}, "it has no certificate"),
        ({"protected": None}, "it has no protected header"),
    ],
)
def test_what_is_no_jws_envelope(changes: dict[str, object], why: str) -> None:
    payload = base64.urlsafe_b64encode(json.dumps({"targetArtifact": {"digest": stories.DIGEST}}).encode()).decode()
    whole = {"payload": payload, "protected": "e30", "header": {"x5c": ["AAAA"]}, "signature": ""} | changes
    with pytest.raises(envelopes.EnvelopeError, match=why):
        envelopes.read(json.dumps(whole).encode(), envelopes.JWS)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300) | st.recursive(st.none() | st.binary() | st.integers(), st.lists).map(cbor2.dumps))
def test_any_bytes_are_an_envelope_or_refused_as_none(content: bytes) -> None:
    for media_type in (envelopes.COSE, envelopes.JWS, "text/plain"):
        with pytest.raises(envelopes.EnvelopeError):
            envelopes.read(content, media_type)


@pytest.mark.slow
def test_a_million_characters_do_not_make_a_large_page() -> None:
    assert len(story_page.render(stories.hostile(HOSTILE["long-line"]))) < 200_000


@pytest.mark.parametrize(
    ("asked", "tag", "named", "called"),
    [
        ("localhost:5000/voting-app:1.4.0", "1.4.0-1", f"{stories.NAME}:1.4.0@{stories.ORIGINAL}", "1.4.0-1"),
        (f"{stories.NAME}:1.4.0@{stories.ORIGINAL}", "", f"{stories.NAME}:1.4.0@{stories.ORIGINAL}", ""),
        # A tag of another repository or digest says nothing of this one.
        ("localhost:5000/other:1.4.0", "1", f"{stories.NAME}@{stories.ORIGINAL}", "1"),
        (f"{stories.NAME}:1.4.0@{stories.DIGEST}", "1", f"{stories.NAME}@{stories.ORIGINAL}", "1"),
        (f"{stories.NAME}@{stories.ORIGINAL}", "no tag\n", f"{stories.NAME}@{stories.ORIGINAL}", ""),
        ("not a reference", 7, f"{stories.NAME}@{stories.ORIGINAL}", ""),
    ],
)
def test_an_attached_result_names_the_tags(asked: str, tag: Any, named: str, called: str) -> None:
    patch = {"patched": True, "original": f"{stories.NAME}@{stories.ORIGINAL}", "tag": tag, "before": {}, "after": {}}
    image = {"image": asked, "digest": stories.DIGEST, "verdict": "passed", "patch": patch}
    content = json.dumps({"version": 1, "command": "chain", "images": [image]}).encode()
    read = documents.read_attached_result(content, stories.DIGEST)
    assert (read.original, read.tag) == (named, called)
