"""Link the pages of a run to each other: the report before a patch and after it, the trace, and the summary.

A page is written by its step, before it is known which others the run writes and which tag a patch gets. So links and
titles are added at the end: every page is rendered once more from the same data. Addresses are relative, so that the
folder can be moved, kept as an artifact or opened from a disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from s3c_actions.core import writing
from s3c_actions.report.rendering import PageLink, Rendering
from s3c_actions.result.model import ImageOutcome, Outcome, ScanResult

Links = tuple[PageLink, ...]


class _Page(msgspec.Struct, frozen=True):
    """A page that this run wrote; `render` returns it with links."""

    title: str
    path: Path
    render: Callable[[Links], bytes]


def link_pages(outcome: Outcome, summary: Path) -> None:
    """Write the links to the other pages of an image into each of its pages.

    Args:
        outcome: of the run; only files it names are linked, never what an earlier run left in the folder.
        summary: path of the run's summary.

    Raises:
        InputError, OSError: a page cannot be written, as `writing.write`.
    """
    for image in outcome.images:
        pages = list(_image_pages(image))
        places = [*((page.title, page.path) for page in pages), ("Summary", summary)]
        for page in pages:
            links = tuple(
                PageLink(title, "" if path == page.path else _address(path, page.path.parent)) for title, path in places
            )
            writing.write(page.path, page.render(links))


def page_links(image: ImageOutcome, folder: Path) -> Links:
    """Return links to the pages of an image, for a file in a folder."""
    return tuple(PageLink(page.title, _address(page.path, folder)) for page in _image_pages(image))


def _image_pages(image: ImageOutcome) -> Iterator[_Page]:
    patch = image.patch
    before = patch.before if patch is not None else image.scan
    after = patch.after if patch is not None else None
    if before is not None:
        yield from _report_pages(before, "Before the patch" if after is not None else "Report")
    if after is not None:
        yield from _report_pages(after, "After the patch")
    if image.trace is not None and "trace" in image.trace.files:
        from s3c_actions.trace import page

        yield _Page("Trace", image.trace.files["trace"], partial(page.render, image.trace.story))


def _report_pages(scan: ScanResult, title: str) -> Iterator[_Page]:
    """Yield the page of a scan, and of an index those of its platforms, all under the name of the whole."""
    for part in (scan, *scan.parts):
        if "html" in part.files:
            own = title if part is scan else f"{title}, {part.report.platform}"
            yield _Page(own, part.files["html"], partial(_render_report, part, scan.image))


def _render_report(scan: ScanResult, image: str, links: Links) -> bytes:
    from s3c_actions.report.formats import html_page

    # A name with a digest is shortened by the page itself.
    title = "" if "@" in image else image
    rendering = replace(scan.rendering or Rendering(), title=title, links=links)
    return html_page.render(scan.shown, rendering)


def _address(path: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(path, folder)).as_posix())
