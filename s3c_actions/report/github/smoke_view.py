"""The sentence in comment and summary on what starting an original and its patched image beside each other showed.

What it quotes was written by the images: it is escaped, and cut.
"""

from __future__ import annotations

from markupsafe import Markup

from s3c_actions.report.document import PlatformSmokeEntry, SmokeEntry
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import mark_safe

MAX_CLAUSES = 6
MAX_CLAUSE = 300
MAX_PLATFORMS = 8
_MARKS = {"works": "✅", "differs": "❌", "not tried": "⚠️"}
_HEADS = {
    "works": "**works** as the original does",
    "differs": "**differs** from the original",
    "not tried": "**not tried** beside the original",
}


def describe_smoke(smoke: SmokeEntry) -> list[Markup]:
    """Return a sentence for each platform that was started, or was to be, without a full stop."""
    several = len(smoke.platforms) > 1
    shown = [_describe_platform(platform, several=several) for platform in smoke.platforms[:MAX_PLATFORMS]]
    more = len(smoke.platforms) - MAX_PLATFORMS
    return shown + ([mark_safe(f"… and {more:,} more platforms")] if more > 0 else [])


def _describe_platform(platform: PlatformSmokeEntry, *, several: bool) -> Markup:
    name = f"{escape.markdown(platform.platform, 60)}: " if several else ""
    clauses = [platform.reason] if platform.reason else [*platform.differences, *platform.checks]
    more = len(clauses) - MAX_CLAUSES
    text = "; ".join(escape.markdown(clause, MAX_CLAUSE) for clause in clauses[:MAX_CLAUSES])
    text += f"; and {more:,} more" if more > 0 else ""
    versions = ", ".join(escape.markdown(version, 100) for version in platform.versions[:MAX_CLAUSES])
    text += f" ({versions})" if versions else ""
    return mark_safe(f"{_MARKS[platform.verdict]} {name}{_HEADS[platform.verdict]}" + (f": {text}" if text else ""))
