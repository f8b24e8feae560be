"""What a gate would refuse, as people read it; names and reasons of others stay text."""

from __future__ import annotations

import html.parser
from typing import Any

import pytest

from s3c_actions.report import gate_preview as views
from s3c_actions.report.document import PreviewEntry, PreviewImage
from tests.unit.steps.test_promote_gate import APP, OTHER

EVIL = "<script>alert(1)</script> | [x](javascript:1) `\x1b[31m\n## head @octocat"


def image(name: str = APP, verdict: Any = "refused", **fields: Any) -> PreviewImage:
    given = {
        "names": (name,),
        "reason": "it has no signature" if verdict != "admitted" else "",
        "remedy": "",
        "command": f"s3c sign {name}" if verdict == "refused" else "",
        "places": ("shop/app (container)",),
        "running": True,
        "static": False,
    }
    return PreviewImage(image=name, verdict=verdict, **(given | fields))


def entry(*images: PreviewImage, **fields: Any) -> PreviewEntry:
    given: dict[str, Any] = {
        "cluster": "https://cluster.test",
        "policy": "",
        "stages": {"*": "warn", "shop": "audit"},
        "exempt": (),
        "exempt_namespaces": {},
    }
    return PreviewEntry(images=images, **(given | fields))


@pytest.mark.parametrize(
    ("verdicts", "sentence", "clean"),
    [
        ((), "no image is used where the gate looks", True),
        (("admitted",), "0 of 1 image would be refused", True),
        (("refused", "admitted"), "1 of 2 images would be refused", False),
        (("refused", "unknown", "admitted"), "1 of 3 images would be refused, and 1 could not be judged", False),
        (("unknown",), "0 of 1 image would be refused, and 1 could not be judged", False),
    ],
)
def test_the_sentence(verdicts, sentence, clean):
    preview = entry(*(image(verdict=verdict) for verdict in verdicts))
    assert views.describe(preview) == sentence
    assert views.is_clean(preview) is clean
    by = sentence.replace("be refused", "be refused by the installed gate")
    assert views.render_terminal(preview).startswith(f"{'✔' if clean else '✘'} {by}\n")
    assert by in views.render_summary(preview)
    assert views.issue_title(preview) == f"Gate: {sentence}"


def test_each_refused_image_has_its_place_reason_and_command():
    static = image(OTHER, static=True, command="", remedy="Push it.", reason="it is not in its registry")
    preview = entry(image(), static, policy="sha256:abc")
    text, summary = views.render_terminal(preview), views.render_summary(preview)
    page = views.render_page(preview, created="2026-11-29T12:00:00+00:00", version="1").decode()
    for part in (APP.partition("@")[2], f"s3c sign {APP}", "shop/app (container)", "it has no signature", "Push it."):
        assert all(part in rendered for rendered in (text, summary, page)), part
    assert all("which its node starts all the same" in rendered for rendered in (text, summary, page))
    assert "by the policy sha256:abc" in text
    assert "warn, shop=audit" in text


def test_every_command_that_an_image_needs_is_shown_in_order():
    commands = (f"s3c attach {APP}", f"s3c sign {APP}")
    preview = entry(image(command=commands[0], commands=commands))
    assert "".join(f"      fix: {command}\n" for command in commands) in views.render_terminal(preview)
    assert "<br>".join(f"`{command}`" for command in commands) in views.render_summary(preview)
    page = views.render_page(preview, created="2026-11-29T12:00:00+00:00", version="1").decode()
    assert "<br>".join(f'<span class="mono">{command}</span>' for command in commands) in page


def test_images_of_exempt_namespaces_stand_apart():
    preview = entry(exempt=(image(),), exempt_namespaces={"kube-system": "the webhook leaves it out"})
    assert views.is_clean(preview)
    assert "1 image of namespaces that go around the gate (kube-system); 1 of them" in views.render_terminal(preview)
    assert "In namespaces that go around the gate (1)" in views.render_summary(preview)
    assert b"the webhook leaves it out" in views.render_page(preview, created="", version="1")


def test_what_others_wrote_stays_text():
    hostile = image(f"reg.example/{EVIL}", reason=EVIL, remedy=EVIL, command=EVIL, commands=(EVIL,), places=(EVIL,))
    preview = entry(hostile, exempt=(hostile,), cluster=EVIL, exempt_namespaces={EVIL: EVIL})
    text, issue = views.render_terminal(preview), views.render_issue(preview)
    assert "\x1b" not in text + issue
    assert all(line.startswith(("✘", " ")) for line in text.splitlines())
    assert "<script" not in issue
    assert "\n## head" not in issue

    class Tags(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: set[str] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.add(tag)
            assert not any(name.startswith("on") or "javascript" in (value or "") for name, value in attrs)

    tags = Tags()
    tags.feed(views.render_page(preview, created="2026-11-29T12:00:00+00:00", version="1").decode())
    assert "script" not in tags.seen
    assert "a" not in tags.seen


def test_an_issue_fits_and_says_how_much_it_leaves_out():
    many = entry(*(image(f"reg.example/app{number}@sha256:{number:064x}") for number in range(700)))
    body = views.render_issue(many, run_url="https://github.com/octo/shop/actions/runs/1")
    assert len(body.encode()) <= 60_100
    assert "more rows: they are in gate-preview.html" in body
    assert body.rstrip().endswith("closed when nothing would be refused.")
    page = views.render_page(many, created="2026-11-29T12:00:00+00:00", version="1")
    assert page.count(b"<tr><td") == 700
