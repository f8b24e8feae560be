"""What two observations mean: the table of cases, each as somebody would break an image."""

import pytest
from msgspec.structs import replace

from s3c_actions.core.shared_libraries import MissingLibrary
from s3c_actions.registry.runtime_config import RuntimeConfig
from s3c_actions.result.smoke import SmokeVerdict
from s3c_actions.steps.smoke_comparison import Observation, compare, last_line, versions

CONFIG = RuntimeConfig(entrypoint=("/app",), environment=("PATH=/bin", "SECRET=one"), ports=(8080,), user="app")
UP = Observation(config=CONFIG, up=True, ready=True, ports=frozenset({8080}))
ENDS = Observation(config=CONFIG, code=0)


def config(**changed: object) -> Observation:
    return replace(UP, config=replace(CONFIG, **changed))


@pytest.mark.parametrize(
    ("original", "checks"),
    [
        (UP, ("both stay up", "both listen on 1 port (8080)", "no library went missing")),
        (ENDS, ("both end with exit code 0", "no library went missing")),
        (
            replace(UP, healthy=True, probed=True, command=True, ports=frozenset()),
            (
                "both stay up",
                "their health check passes",
                "the command succeeds in both",
                "no library went missing",
            ),
        ),
        (
            replace(ENDS, probed=True, command=True),
            ("both end with exit code 0", "the command succeeds in both", "no library went missing"),
        ),
    ],
)
def test_works(original: Observation, checks: tuple[str, ...]) -> None:
    result = compare(original, original)
    assert (result.verdict, result.checks, result.differences) == (SmokeVerdict.WORKS, checks, ())


@pytest.mark.parametrize(
    ("patched", "difference"),
    [
        (replace(UP, up=False, code=127, output="y"), "ended with exit code 127 (its program was not found: y)"),
        (replace(UP, up=False, code=139), "ended with exit code 139 (it crashed)"),
        (replace(UP, up=False, code=137, out_of_memory=True), "ended with exit code 137 (its memory did not suffice)"),
        (replace(UP, up=False, code=0), "ends with exit code 0, where the original keeps running"),
        (replace(UP, ports=frozenset()), "does not listen on 8080 any more"),
        (replace(UP, ready=False), "was not ready in time"),
        (replace(UP, ready=False, healthy=False, health_output="refused"), "its health check fails (refused)"),
        (replace(UP, ready=False, port=False, probe_port=80), "nothing listens on port 80"),
        (replace(UP, ready=False, probed=True, command=False, command_code=2, command_output="no"),
         "its command ends with exit code 2 (no)"),
        (replace(UP, ready=False, probed=True, command=False), "its command did not end"),
        (replace(UP, ready=False, probed=True), "its command was not reached in time"),
        (replace(UP, missing=frozenset({MissingLibrary("libpq.so.5", "/bin/app")})),
         "libpq.so.5, which /bin/app needs, is missing"),
        (config(entrypoint=("/bin/sh",)), "another entrypoint (/app → /bin/sh)"),
        (config(entrypoint=()), "another entrypoint (/app → none)"),
        (config(user=""), "another user (app → none)"),
        (config(environment=("PATH=/bin", "SECRET=two")), "another environment (SECRET)"),
        (config(environment=()), "another environment (PATH, SECRET)"),
        (config(health=("true",)), "another health check (none → true)"),
        (config(ports=()), "another exposed ports (8080 → none)"),
    ],
)  # fmt: skip
def test_differs(patched: Observation, difference: str) -> None:
    result = compare(UP, patched)
    assert (result.verdict, result.differences) == (SmokeVerdict.DIFFERS, (difference,))


def test_a_program_that_ends_and_one_that_stays_differ() -> None:
    assert compare(ENDS, UP).differences == ("keeps running, where the original ends with exit code 0",)


def test_a_library_that_the_original_lacks_too_is_no_difference() -> None:
    lacking = replace(UP, missing=frozenset({MissingLibrary("libx.so", "/bin/x")}))
    assert compare(lacking, lacking).verdict is SmokeVerdict.WORKS


@pytest.mark.parametrize(
    ("original", "reason"),
    [
        (
            replace(UP, up=False, code=1, output="no POSTGRES_PASSWORD\n"),
            "ended with exit code 1 (no POSTGRES_PASSWORD)",
        ),
        (replace(UP, failure="the companion db ended with exit code 1"), "the companion db ended with exit code 1"),
        (replace(UP, ready=False, healthy=False), "its health check fails"),
        (replace(UP, up=False, code=0, port=False, probe_port=80), "ended with exit code 0 at once"),
        (replace(UP, up=False, code=0, healthy=False), "ended with exit code 0 at once"),
    ],
)
@pytest.mark.parametrize("same", [True, False])
def test_an_original_that_does_not_come_up_shows_nothing(original: Observation, reason: str, same: bool) -> None:
    result = compare(original, original if same else UP)
    assert result.verdict is SmokeVerdict.NOT_TRIED
    assert result.reason.startswith("the original does not come up here either: ") and reason in result.reason


def test_what_is_seen_without_running_counts_even_then() -> None:
    down = replace(UP, up=False, code=1)
    result = compare(down, replace(down, config=replace(CONFIG, user="root")))
    assert (result.verdict, result.differences) == (SmokeVerdict.DIFFERS, ("another user (app → root)",))


def test_ports_of_the_moment_and_unseen_ones_are_no_difference() -> None:
    assert compare(replace(UP, ports=frozenset({8080, 40001})), UP).verdict is SmokeVerdict.WORKS
    assert compare(UP, replace(UP, ports=None)).verdict is SmokeVerdict.WORKS


def test_versions_are_shown_and_are_no_difference() -> None:
    original, patched = replace(UP, output="nginx/1.25.3 started"), replace(UP, output="nginx/1.25.5 started")
    result = compare(original, patched)
    assert (result.verdict, result.versions) == (SmokeVerdict.WORKS, ("nginx 1.25.3 → 1.25.5",))


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("nginx version: nginx/1.25.3", (("nginx", "1.25.3"),)),
        ("starting PostgreSQL 15.4 (Debian 15.4-1.pgdg) on x86", (("PostgreSQL", "15.4"), ("Debian", "15.4-1"))),
        ("SSH-2.0-OpenSSH_9.2p1", (("SSH", "2.0-"),)),
        ("Redis version 7.2.4, bits=64", (("Redis", "7.2.4"),)),
        ("listening on 0.0.0.0:8080", (("on", "0.0.0.0"),)),
        ("", ()),
    ],
)
def test_reads_versions(text: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert versions(text) == pairs


def test_the_last_line_is_clean_and_short() -> None:
    assert last_line("a\n\x1b[31mred\x1b[0m\u202e\r\n\n") == "\ufffd[31mred\ufffd[0m\ufffd"
    assert len(last_line("x" * 10_000)) <= 201 and last_line("\n \n") == ""
