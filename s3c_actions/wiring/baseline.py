"""The baselines that images are compared with, so that a pull request shows the findings that it adds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import join_words
from s3c_actions.findings import baseline
from s3c_actions.findings.difference import compare_scans, unlisted_findings
from s3c_actions.findings.selection import select
from s3c_actions.options.report import BaselineNameOptions
from s3c_actions.options.scan import BaselineOptions
from s3c_actions.result.model import Comparison, ImageOutcome
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.findings.model import ScanReport
    from s3c_actions.wiring.scanning import ImageScanner


class Baselines(msgspec.Struct, frozen=True, kw_only=True):
    """One baseline for each image, as given: a path or a reference; empty for none.

    Attributes:
        given: image → baseline.
        name: the name shown; empty to show what was given for each.
    """

    given: dict[str, str]
    name: str

    def of(self, image: str, scanner: ImageScanner, folder: Path) -> ScanReport | None:
        """Return the findings to compare an image with: from an existing file, or from a scan of the baseline.

        Args:
            image: the image that is compared.
            scanner: scans a baseline that is an image.
            folder: the image's; the baseline's report goes into a folder in it.

        Raises:
            InputError: the file does not exist or cannot be parsed, or what was given is no reference.

        Returns:
            None without a baseline, and with a warning when the image cannot be scanned: a branch's first image has no
            baseline, and its verdict does not depend on one.
        """
        location = self.given[image]
        if not location:
            return None
        path = Path(location).expanduser()
        if path.is_file() or path.suffix == ".json":
            report = baseline.read(path, image)
            unlisted = {severity for severity, _ in unlisted_findings(report)} & {
                *scanner.settings.selection.severities
            }
            if unlisted:
                names = join_words([severity.name.lower() for severity in sorted(unlisted, reverse=True)])
                scanner.context.progress.warning(
                    f"{path} does not list all of its {names} findings, so new ones of {image} cannot be told from old "
                    "ones: they are not compared. Make it with the same `severity` and `ignore-unfixed`."
                )
            return report
        Reference.parse(location, field="baseline")
        settings = replace(scanner.settings, formats=("json",), title="baseline")
        baseline_scanner = replace(scanner, settings=settings, proposed=None)
        try:
            return baseline_scanner.look(location, folder / "baseline", source="auto").report
        except S3CError as error:
            scanner.context.progress.warning(f"{image} is compared with nothing. {error}")
            return None

    def compared(self, outcome: ImageOutcome, report: ScanReport | None, scanner: ImageScanner) -> ImageOutcome:
        """Return the outcome with its last scan compared with the baseline."""
        if report is None or outcome.final_report is None:
            return outcome
        earlier = select(report, scanner.settings.selection)
        name = self.name or self.given[outcome.image]
        return replace(outcome, base=Comparison(name=name, difference=compare_scans(earlier, outcome.final_report)))


def read_baselines(options: BaselineOptions, context: Context, images: Iterable[str]) -> Baselines:
    """Return the baselines that the inputs name.

    Args:
        options: of the command.
        context: its environment names the branch that a pull request goes to.
        images: in their order.

    Raises:
        InputError: their number is not that of the images.
    """
    image_names = tuple(images)
    locations = options.baseline
    if len(locations) == 1 and len(image_names) > 1 and baseline.is_result(Path(locations[0]).expanduser()):
        locations *= len(image_names)
    if locations and len(locations) != len(image_names):
        raise InputError(
            "baseline",
            f"{len(locations)} are given for {len(image_names)} images.",
            remedy="Give one for each image, in their order, or one result.json that has them all.",
        )
    return Baselines(
        given=dict(zip(image_names, locations or ("",) * len(image_names), strict=True)),
        name=baseline_name(options, context),
    )


def baseline_name(options: BaselineNameOptions, context: Context) -> str:
    """Return the name shown for the baseline: the input, else the pull request's target branch, else an empty text."""
    return options.baseline_name or context.environment.get("GITHUB_BASE_REF", "")
