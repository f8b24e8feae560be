"""What images are compared with, for every command that scans: so that a pull request is told what it brings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.findings import baseline
from s3c_actions.findings.difference import compare_scans
from s3c_actions.options.report import BaselineNameOptions
from s3c_actions.options.scan import BaselineOptions
from s3c_actions.result.model import Comparison, ImageOutcome
from s3c_actions.steps.assess import filter_report
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.findings.model import ScanReport
    from s3c_actions.wiring.scanning import ImageScanner


class Baselines(msgspec.Struct, frozen=True, kw_only=True):
    """One baseline for each image, as given: a path or a reference; empty for none.

    Attributes:
        given: image → baseline.
        name: what people call it; empty to call each by what was given.
    """

    given: dict[str, str]
    name: str

    def of(self, image: str, scanner: ImageScanner, folder: Path) -> ScanReport | None:
        """The findings to compare an image with: those of a file that is there, or of the baseline's own scan.

        Args:
            image: the one compared.
            scanner: scans a baseline that is an image.
            folder: the image's; the baseline's report goes into a folder in it.

        Raises:
            InputError: the file is not there or not understood, or what was given is no reference.

        Returns:
            None without one, and with a warning when the image cannot be scanned: a branch's first image has none to
            be compared with, and its verdict does not depend on it.
        """
        given = self.given[image]
        if not given:
            return None
        path = Path(given).expanduser()
        if path.is_file() or path.suffix == ".json":
            return baseline.read(path, image)
        Reference.parse(given, field="baseline")
        settings = replace(scanner.settings, formats=("json",), title="baseline")
        plain = replace(scanner, settings=settings, proposed=None)
        try:
            return plain.look(given, folder / "baseline", source="auto").report
        except S3CError as error:
            scanner.context.progress.warning(f"{image} is compared with nothing. {error}")
            return None

    def compared(self, outcome: ImageOutcome, report: ScanReport | None, scanner: ImageScanner) -> ImageOutcome:
        """The outcome, with what its last scan shows compared with the baseline."""
        if report is None or outcome.final_report is None:
            return outcome
        settings = scanner.settings
        earlier = filter_report(report, settings.severities, ignore_unfixed=settings.ignore_unfixed)
        name = self.name or self.given[outcome.image]
        return replace(outcome, base=Comparison(name=name, difference=compare_scans(earlier, outcome.final_report)))


def read_baselines(options: BaselineOptions, context: Context, images: Iterable[str]) -> Baselines:
    """The baselines that the inputs name.

    Args:
        options: of the command.
        context: its environment names the branch that a pull request goes to.
        images: in their order.

    Raises:
        InputError: their number is not that of the images.
    """
    wanted = tuple(images)
    those = options.baseline
    if len(those) == 1 and len(wanted) > 1 and baseline.is_result(Path(those[0]).expanduser()):
        those *= len(wanted)
    if those and len(those) != len(wanted):
        raise InputError(
            "baseline",
            f"{len(those)} are given for {len(wanted)} images.",
            remedy="Give one for each image, in their order, or one result.json that has them all.",
        )
    return Baselines(
        given=dict(zip(wanted, those or ("",) * len(wanted), strict=True)), name=baseline_name(options, context)
    )


def baseline_name(options: BaselineNameOptions, context: Context) -> str:
    """What people call the baseline: as they say, else the branch that the pull request goes to, else nothing."""
    return options.baseline_name or context.environment.get("GITHUB_BASE_REF", "")
