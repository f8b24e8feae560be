"""The comparison that the inputs ask for."""

import os
from types import SimpleNamespace
from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.core.secrets import Secrets
from s3c_actions.options.declare import read
from s3c_actions.options.smoke import SmokeOptions
from s3c_actions.result.smoke import PlatformSmoke, SmokeRefused, SmokeResult, SmokeVerdict
from s3c_actions.steps import smoke as steps_smoke
from s3c_actions.wiring import smoking

A = Reference.parse("localhost:5000/app@sha256:" + "0" * 64)


class Warned(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


class Runtime:
    def __init__(self, reason: str) -> None:
        self.reason, self.swept = reason, 0

    def unusable(self) -> str:
        return self.reason

    def sweep(self) -> None:
        self.swept += 1


def options(**given: str) -> SmokeOptions:
    flags = {name if name == "smoke" else f"smoke-{name}": value for name, value in given.items()}
    return read(SmokeOptions, flags, {}, lambda _text: None)


def context(progress: Silent) -> Any:
    return SimpleNamespace(environment={}, progress=progress, runner=None, temp=None, shared={}, secrets=Secrets())


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch) -> Any:
    def create(mode: str, verdict: SmokeVerdict, progress: Silent) -> Any:
        platform = PlatformSmoke(platform="linux/amd64", verdict=verdict, reason="why")
        result = SmokeResult(original=A.pinned, reference=A.pinned, platforms=(platform,))
        monkeypatch.setattr(steps_smoke, "run", lambda *_: result)
        return smoking.create_comparison(options(smoke=mode), context(progress), None, programs_mirror="")  # type: ignore[arg-type]

    return create


def test_secret_values_of_variables_are_hidden() -> None:
    given = context(Silent())
    wanted = options(smoke="report", env="DB_PASSWORD=hunter2-long\nDB_HOST=voting-db\nAPI_TOKEN=true")
    smoking.create_comparison(wanted, given, None, programs_mirror="")  # type: ignore[arg-type]
    assert given.secrets.redact("it said hunter2-long to voting-db: true") == "it said *** to voting-db: true"


def test_none_is_made_unless_it_is_asked_for() -> None:
    assert smoking.create_comparison(options(), context(Silent()), None, programs_mirror="") is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": "80"}, r"^smoke-port: it says how images are started, and `smoke` is `off`"),
        ({"smoke": "report", "companions": "db=UPPER CASE"}, r"^smoke-companions: db"),
    ],
)
def test_contradictions_are_errors_that_name_the_input(given: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        smoking.create_comparison(options(**given), context(Silent()), None, programs_mirror="")  # type: ignore[arg-type]


@pytest.mark.parametrize("verdict", [SmokeVerdict.DIFFERS, SmokeVerdict.NOT_TRIED])
def test_required_refuses_all_but_works_and_report_warns(comparison: Any, verdict: SmokeVerdict) -> None:
    with pytest.raises(SmokeRefused):
        comparison("required", verdict, Silent())(A, A, ())
    progress = Warned()
    assert comparison("report", verdict, progress)(A, A, ()).verdict is verdict
    assert len(progress.warnings) == 1 and "why" in progress.warnings[0]


def test_what_works_passes_without_a_word(comparison: Any) -> None:
    progress = Warned()
    for mode in ("required", "report"):
        assert comparison(mode, SmokeVerdict.WORKS, progress)(A, A, ()).verdict is SmokeVerdict.WORKS
    assert progress.warnings == []


@pytest.mark.parametrize(
    ("docker", "nerdctl", "runc", "chosen"),
    [("", "", "", "docker"), ("no", "", "", "nerdctl"), ("no", "no", "", "runc"), ("1", "2", "3", "")],
)
def test_the_first_runtime_that_can_be_used_is_taken_and_swept_once(
    monkeypatch: pytest.MonkeyPatch, docker: str, nerdctl: str, runc: str, chosen: str
) -> None:
    runtimes = {"docker": Runtime(docker), "nerdctl": Runtime(nerdctl), "runc": Runtime(runc)}
    monkeypatch.setattr(smoking, "_candidates", lambda *_: tuple(runtimes.values()))
    shared = context(Silent())
    runtime: Any
    for _ in range(2):
        runtime, reason = smoking._runtime(shared, "")
        assert runtime is (runtimes[chosen] if chosen else None)
        assert reason == ("" if chosen else "nothing here runs containers: 1, 2, 3")
    assert [runtime.swept for runtime in runtimes.values()] == [int(name == chosen) for name in runtimes]


def test_a_runc_that_cannot_be_installed_is_not_built_again_for_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def locate(pin: Any, **_more: Any) -> Any:
        asked.append(pin.name)
        raise OutsideError("It could not be built.")

    monkeypatch.setattr(smoking, "locate", locate)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(sysname="Linux"))
    bare = context(Silent())
    bare.runner, bare.cache = SimpleNamespace(environment={"PATH": "/nothing"}), None
    for _ in range(2):
        runtime, reason = smoking._runtime(bare, "")
        assert runtime is None and "could not be installed (It could not be built)" in reason
    assert asked == ["runc"]
