"""A fleet of 24 small images of several bases: six to patch, one behind a login, some of each kind that fleets meet."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.oci import Repository, descriptor, diff_id, digest_of, layer

PREFIX = "fleet"
"""Of the repositories, unless a test has a fleet of its own."""
OS_RELEASE = b'ID=debian\nVERSION_ID="%d"\nPRETTY_NAME="Debian GNU/Linux %d"\n'
# A package that the lab's advisories know, at a version that none of them is about.
STATUS = b"""\
Package: tzdata
Status: install ok installed
Architecture: all
Version: 9999.%d-0+deb12u1
Maintainer: lab <lab@example.invalid>
Description: a package

"""
SLOW = 24 * 1024 * 1024
"""Bytes of text that an image has to be looked through for."""


@dataclass(frozen=True)
class Kind:
    """What is expected of images: `verdict` and `exit_code` of their entries; whether a patch is pushed."""

    verdict: str
    exit_code: int = 0
    patched: bool = False


KINDS = {
    "patchable": Kind("passed", patched=True),
    "clean": Kind("passed"),
    "slow": Kind("passed"),
    "several": Kind("passed"),
    "ended": Kind("failed", 3),
    "broken": Kind("failed", 3),
    "private": Kind("failed", 3),
}
COUNTS = {"patchable": 6, "clean": 10, "slow": 1, "several": 2, "ended": 2, "broken": 2}
PRIVATE = "private-0"
"""The repository of the 24th, in another registry, behind a login that nobody who keeps the fleet has."""
REPORTED = {**COUNTS, "private": 1}
"""Kind → how many a report has: those that could not be planned too."""


def kind_of(image: str) -> Kind:
    """The kind of an image of a fleet, by its name."""
    return KINDS[short(image).partition("-")[0]]


def short(image: str) -> str:
    """The name of an image of a fleet: `patchable-0`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def check(entries: Iterable[Mapping[str, Any]], counts: Mapping[str, int] = COUNTS) -> None:
    """Hold the results of a fleet's images to what their kinds are, and the fixed findings to each other."""
    images = {short(entry["image"]): entry for entry in entries}
    assert Counter(name.partition("-")[0] for name in images) == counts
    fixed: dict[str, set[frozenset[str]]] = {"debian": set(), "app": set()}
    for name, entry in images.items():
        kind = kind_of(name)
        assert entry["verdict"] == kind.verdict, (name, entry["error"])
        assert (entry["error"] or {}).get("exit_code", 0) == kind.exit_code, (name, entry["error"])
        if kind.patched:
            patch = entry["patch"]
            assert patch["before"]["fixable"] > 0 and patch["after"]["fixable"] == 0, name
            ids = frozenset(f"{finding['id']} {finding['package']}" for finding in patch["fixed"])
            fixed["debian" if int(name.rpartition("-")[2]) < 4 else "app"].add(ids)
    assert {base: len(variants) for base, variants in fixed.items()} == {"debian": 1, "app": 1}, "of one base, the same"


def push(registry: str, app: str, counts: Mapping[str, int] = COUNTS, prefix: str = PREFIX) -> dict[str, str]:
    """Push the fleet.

    Args:
        registry: host and port of a lab's.
        app: reference of an image of it that has something to patch.
        counts: kind → how many.
        prefix: of the repositories.

    Returns:
        Name → reference by tag; all of them are `PREFIX/KIND-NUMBER:1.0`.
    """
    references = {}
    for kind, count in counts.items():
        for number in range(count):
            name = f"{kind}-{number}"
            _push(app.removeprefix(f"{registry}/"), kind, number, Repository(registry, f"{prefix}/{name}"))
            references[name] = f"{registry}/{prefix}/{name}:1.0"
    return references


def push_private(place: Repository) -> None:
    """Push the image behind the login; nothing is wrong with it but that."""
    _push("", "clean", 0, place)


def check_private(plan: Mapping[str, Any], host: str) -> None:
    """Check that the plan has the image behind the login: its own failure, with what to do."""
    (entry,) = plan["unplanned"]
    assert (entry["image"], entry["exit-code"]) == (f"{host}/{PRIVATE}:1.0", 3)
    assert "(HTTP 401). It is private" in entry["what"]
    assert f"docker login {host}" in entry["remedy"]
    assert PRIVATE not in {short(image["image"]) for image in (*plan["images"], *plan["current"])}


def tags(registry: str, prefix: str = PREFIX) -> dict[str, list[str]]:
    """Every tag of every repository of the fleet, with its signatures and evidence where those are listed by tag."""
    names = [f"{prefix}/{kind}-{number}" for kind, count in COUNTS.items() for number in range(count)]
    return {name: Repository(registry, name).every_tag() for name in names}


def policy(certificate: str) -> str:
    """The policy of the fleet: whose signatures count, and what has to be fixed."""
    return (
        f"version: 1\nsigners: [{{name: lab, certificate: {certificate}}}]\n"
        "findings: {refuse: [CRITICAL, HIGH, MEDIUM, LOW], fixable-only: true}\n"
    )


def fleet(registry: str, prefix: str = PREFIX, private: str = "") -> str:
    """The fleet's file, which selects all of it; `private` is the host of the registry behind the login."""
    text = f"version: 1\nimages:\n  - catalog: {registry}/{prefix}/\n    tags: {{strategy: list, list: ['1.0']}}\n"
    return f"{text}  - image: {private}/{PRIVATE}:1.0\n" if private else text


def _push(app: str, kind: str, number: int, place: Repository) -> None:
    own = layer({f"srv/{place.name}": str(number).encode()})
    if kind == "patchable":
        _derive(place, "library/debian:stable-slim" if number % 6 < 4 else app, own)
    elif kind == "ended":
        place.image([_debian(8, number), own], "1.0")
    elif kind == "broken":
        place.image([_debian(12, 0), own], "1.0")
        _break(place)
    elif kind == "several":
        # Each of them has to be one that this machine could patch.
        parts = [place.image([_debian(12, 0), own], f"1.0-{variant}", variant=variant) for variant in ("v1", "v2")]
        place.index(parts, "1.0")
    elif kind == "slow":
        text = random.Random(number).randbytes(SLOW // 2).hex().encode()
        place.image([_debian(12, 1), layer({"srv/large.txt": text}), own], "1.0")
    else:
        place.image([_debian(12, number % 2), own], "1.0")


def _debian(version: int, number: int) -> bytes:
    """The lowest layer of a small base; equal ones are one base."""
    files = {
        "etc/debian_version": b"%d.0\n" % version,
        "etc/os-release": OS_RELEASE % (version, version),
        "var/lib/dpkg/status": STATUS % number,
    }
    return layer(files)


def _derive(place: Repository, origin: str, own: bytes) -> None:
    """Push an image with a layer on top of another one's, whose layers are not sent again."""
    name, _, tag = origin.rpartition(":")
    source = Repository(place.registry, name)
    manifest: dict[str, Any] = source.get(tag)
    for entry in manifest["layers"]:
        place.mount(entry["digest"], name)
    config = json.loads(source.blob(manifest["config"]["digest"]))
    config["rootfs"]["diff_ids"].append(diff_id(own))
    config.pop("history", None)
    data = json.dumps(config).encode()
    for blob in (data, own):
        place.put_blob(blob)
    manifest["config"] = descriptor(manifest["config"]["mediaType"], data)
    manifest["layers"].append(descriptor(manifest["layers"][0]["mediaType"], own))
    place.put_manifest(manifest, "1.0")


def _break(place: Repository) -> None:
    """Replace the layer that no other image has by bytes that are no archive: the image cannot be unpacked."""
    manifest = place.get("1.0")
    junk = random.Random(place.name).randbytes(2000)
    place.put_blob(junk)
    manifest["layers"][-1] |= {"digest": digest_of(junk), "size": len(junk)}
    place.put_manifest(manifest, "1.0")
