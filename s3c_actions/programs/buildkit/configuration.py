"""The `buildkitd.toml` of a BuildKit that we start, and what one that was given names."""

from __future__ import annotations

import tomllib


def configuration(insecure: tuple[str, ...], *, mirror: str = "", mirror_http: bool = False) -> str:
    """Return the `buildkitd.toml` of a daemon of our own.

    Registry names are those of parsed references and URLs: they hold no quotes and no line breaks.

    Args:
        insecure: registries it uses plain HTTP with.
        mirror: registry it asks before docker.io and ghcr.io, where Copa's tooling image is; or empty.
        mirror_http: the mirror speaks plain HTTP.
    """
    text = "[worker.oci]\n  gc = false\n"
    plain = dict.fromkeys((*insecure, *([mirror] if mirror and mirror_http else [])))
    for registry in plain:
        text += f'[registry."{registry}"]\n  http = true\n  insecure = true\n'
    for registry in ("docker.io", "ghcr.io") if mirror else ():
        if registry not in plain:
            text += f'[registry."{registry}"]\n  mirrors = ["{mirror}"]\n'
    return text


def mirrors_of(text: str) -> tuple[str, ...]:
    """Return the mirrors that a `buildkitd.toml` names; none where it is malformed, which BuildKit reports itself."""
    try:
        registries = tomllib.loads(text).get("registry", {})
        return tuple(str(mirror) for entry in registries.values() for mirror in entry.get("mirrors", ()))
    except (ValueError, AttributeError, TypeError):
        return ()
