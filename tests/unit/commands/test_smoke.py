"""`s3c smoke`: two images, resolved once, and the verdict on them."""

from types import SimpleNamespace
from typing import Any

import pytest

from s3c_actions.commands import smoke as command
from s3c_actions.core.errors import Exit
from s3c_actions.core.progress import Silent
from s3c_actions.options.declare import read
from s3c_actions.options.smoke import SmokeInputs
from s3c_actions.result import outputs
from s3c_actions.result.model import Outcome
from s3c_actions.result.smoke import PlatformSmoke, SmokeRefused, SmokeResult, SmokeVerdict
from s3c_actions.steps import smoke as steps_smoke

DIGESTS = {"1": "sha256:" + "1" * 64, "2": "sha256:" + "2" * 64}


class Registry:
    def __init__(self, *_: Any, **__: Any) -> None: ...

    def resolve(self, reference: Any, *, field: str) -> Any:
        assert field in {"original", "compared"}
        return SimpleNamespace(digest=DIGESTS[reference.tag])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(verdict: SmokeVerdict, mode: str = "required") -> Outcome:
        def create(_options: Any, _context: Any, _registry: Any, *, programs_mirror: str) -> Any:
            assert programs_mirror == ""

            def compare(original: Any, compared: Any, pairs: Any) -> SmokeResult:
                platform = PlatformSmoke(platform="linux/amd64", verdict=verdict)
                result = SmokeResult(original=original.pinned, reference=compared.pinned, platforms=(platform,))
                if mode == "required" and verdict is not SmokeVerdict.WORKS:
                    raise SmokeRefused(result)
                return result

            return compare

        monkeypatch.setattr(command, "Registry", Registry)
        monkeypatch.setattr(command, "create_logins", lambda *_: None)
        monkeypatch.setattr(command, "create_comparison", create)
        monkeypatch.setattr(steps_smoke, "find_pairs", lambda *_: ())
        given = {"original": "localhost:5000/app:1", "compared": "localhost:5000/app:2", "smoke": mode}
        context: Any = SimpleNamespace(progress=Silent(), environment={}, shared={})
        return command.run(read(SmokeInputs, given, {}, lambda _text: None), context)

    return run


def test_two_images_that_do_the_same_pass(run: Any) -> None:
    (image,) = run(SmokeVerdict.WORKS).images
    assert image.failure is None and image.smoke.verdict is SmokeVerdict.WORKS
    assert (image.smoke.original, image.smoke.reference) == tuple(
        f"localhost:5000/app@{digest}" for digest in DIGESTS.values()
    )
    assert image.reference == image.smoke.reference


@pytest.mark.parametrize("verdict", [SmokeVerdict.DIFFERS, SmokeVerdict.NOT_TRIED])
def test_a_refusal_keeps_what_was_seen(run: Any, verdict: SmokeVerdict) -> None:
    (image,) = run(verdict).images
    assert image.failure.exit_code is Exit.REFUSED and image.smoke.verdict is verdict
    (output,) = [output for output in outputs.OUTPUTS if output.name == "smoke"]
    assert output.of is not None and output.of(image) == verdict.value


def test_a_report_refuses_nothing(run: Any) -> None:
    (image,) = run(SmokeVerdict.DIFFERS, "report").images
    assert image.failure is None and image.smoke.verdict is SmokeVerdict.DIFFERS
