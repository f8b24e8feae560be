"""Everything that a report depends on: with the same facts it is not made again."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.steps.reuse import file_hash
from s3c_actions.steps.scan.settings import ScanSettings

if TYPE_CHECKING:
    from s3c_actions.steps.protocols import Scanner


def reuse_facts(reference: str, settings: ScanSettings, trivy: Scanner) -> dict[str, object] | None:
    """Return everything a report depends on, or may; None when that cannot be known, and then nothing is reused.

    It cannot be determined for files that a configuration file or policy refers to, the current content of a VEX
    repository, the image of a local daemon or an archive, and a database that Trivy would first replace by a newer one.

    Args:
        reference: with its digest; empty when it has none. The repository counts, because Trivy's report names it.
        settings: of the scan.
        trivy: the program with its cache.
    """
    options = settings.options
    remote_vex = {"repo", "repository", "oci", "sbom-ref"} & set(options.vex)
    if not reference or options.config or options.ignore_policy or remote_vex:
        return None
    databases = {}
    for name in ("db", "java-db"):
        database = trivy.database(name)
        if database is None:
            if name == "db" and "vuln" in options.scanners:
                return None
            continue
        if not options.offline and not database.fresh(settings.now):
            return None
        databases[name] = database.updated_at.isoformat()
    checks = trivy.cache / "policy" / "metadata.json"
    if {"misconfig"} & {*options.scanners, *options.image_config_scanners}:
        if not options.offline and not _recent(checks, settings.now):
            return None
        databases["checks"] = file_hash(checks)
    environment = {name: _hashed(value) for name, value in sorted(trivy.settings_in_environment().items())}
    return {
        "reference": reference,
        "trivy": trivy.version,
        "databases": databases,
        # Whatever Trivy is told: a field that is added counts without being named here.
        "options": {name: _fact(getattr(options, name)) for name in options.__struct_fields__},
        # Trivy ignores expired entries by itself.
        "expired": sorted(entry.id for entry in settings.ignored if entry.expires and entry.expires < settings.now),
        "vex": [file_hash(Path(document)) for document in options.vex],
        "environment": environment,
    }


def _fact(value: object) -> object:
    """Return a value in a form that JSON can hold, a file by its hash."""
    if isinstance(value, Path):
        return file_hash(value)
    return [_fact(item) for item in value] if isinstance(value, tuple) else value


def _hashed(text: str) -> str:
    """Return the hash of a setting, which may contain a password."""
    return hashlib.sha256(text.encode()).hexdigest()


def _recent(path: Path, now: datetime) -> bool:
    """Return whether Trivy's checks are less than a day old, so that it would not look for newer ones."""
    try:
        return now.timestamp() - path.stat().st_mtime < timedelta(days=1).total_seconds()
    except OSError:
        return False
