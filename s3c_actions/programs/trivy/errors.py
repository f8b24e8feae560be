"""What Trivy says when it fails, in terms of what to change.

Trivy ends with 1 for everything and tells the reason in one FATAL line of Go errors wrapped in each other; the patterns
here are of Trivy 0.74 as recorded in tests/data/trivy.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from s3c_actions.core.errors import InputError, OutsideError, S3CError


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What an error is about: `image` as people gave it, `timeout` in seconds, `source` as in `trivy.Request`."""

    image: str
    cache: Path
    timeout: float = 600.0
    source: str = "registry"


_FATAL = re.compile(r"^\S+\tFATAL\t(?:Fatal error\t)?(?P<said>.*)", re.MULTILINE | re.DOTALL)


def fatal(stderr: str) -> str:
    """The reason Trivy gave for ending; its last lines when it gave none."""
    match = _FATAL.search(stderr)
    said = match["said"] if match else "\n".join(stderr.strip().splitlines()[-5:])
    return re.sub(r"^(run error: )?(image scan error: )?(scan error: )?", "", said.strip())


def database_failed(said: str) -> bool:
    """Whether a database or the checks could not be downloaded."""
    return bool(re.search(r"failed to download (vulnerability|Java) DB|Java DB.*error|download checks bundle", said))


def too_many_requests(said: str) -> bool:
    """Whether a registry asked for fewer requests."""
    return bool(re.search(r"TOOMANYREQUESTS|429 Too Many|status code 429", said))


def translate(stderr: str, about: About) -> S3CError:
    """The error of a run of Trivy that failed.

    Args:
        stderr: all it said.
        about: what it was asked.
    """
    said = fatal(stderr)
    for pattern, make in _TABLE:
        match = re.search(pattern, said, re.DOTALL)
        if match:
            error = make(match, said, about)
            if error is not None:
                error.image = about.image
                error.original = said[:4000]
                return error
    return OutsideError(
        "Trivy failed.",
        cause="For a reason this toolkit does not know.",
        remedy="Read what it said; the command above can be run by hand with --debug.",
        image=about.image,
        original=said[:4000],
    )


def cache_unusable(error: OSError, about: About) -> S3CError:
    """Trivy's cache folder cannot be made or written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _disk_full(None, "", about)
    return OutsideError(
        f"Trivy's cache folder {about.cache} cannot be used: {error.strerror}.",
        remedy="Give another one with --trivy-cache-dir.",
        image=about.image,
    )


def cache_in_use(about: About) -> S3CError:
    """Another program held the cache for all of the time limit."""
    return OutsideError(
        f"Trivy's cache {about.cache} was in use by another scan for {about.timeout:g} s.",
        cause="Trivy locks its databases for a whole scan, and another scan of this machine takes long or hangs.",
        remedy="Wait for it, raise --timeout, or give this one a cache of its own with --trivy-cache-dir.",
        image=about.image,
    )


_Make = Callable[[re.Match[str], str, About], S3CError | None]


def _disk_full(_match: re.Match[str] | None, _said: str, about: About) -> S3CError:
    return OutsideError(
        "The disk is full: Trivy could not write its cache or the report.",
        cause=f"Its databases need about 1 GB in {about.cache}, unpacked layers more in the temp folder.",
        remedy="Make room there, or give folders on another disk with --trivy-cache-dir and TMPDIR.",
    )


def _first_run(_match: re.Match[str], said: str, about: About) -> S3CError:
    java = "java" in said
    name = "Java database" if java else "vulnerability database"
    folder = about.cache / ("java-db" if java else "db")
    return InputError(
        "offline",
        f"there is no {name} in {folder}.",
        cause="Offline, nothing is downloaded, and this cache has never had one.",
        remedy="Scan once without --offline, or put the database and its metadata.json into that folder.",
    )


def _old_schema(_match: re.Match[str], _said: str, about: About) -> S3CError:
    return OutsideError(
        f"The vulnerability database in {about.cache / 'db'} is of another version than this Trivy reads.",
        cause="It was made for another Trivy.",
        remedy="Remove that folder and scan without --offline.",
    )


_DATABASE = (
    (r"TOOMANYREQUESTS|429", "too many requests (429)", "The registry limits downloads."),
    (
        r"UNAUTHORIZED|DENIED|401|403",
        "access was refused",
        "The repository is private, or stale credentials of Docker's configuration were sent to it.",
    ),
    (r"MANIFEST_UNKNOWN|NAME_UNKNOWN|404", "it is not there", "The repository's name is wrong."),
    (
        r"no such host|connection refused|network is unreachable|i/o timeout|EOF\b|proxyconnect|deadline exceeded",
        "its registry cannot be reached",
        "There is no network, a proxy is in between, or the name is wrong.",
    ),
    (
        r"annotation \S+ is missing|media type|single layer|invalid character|gzip",
        "what is there is no database",
        "The repository's name is wrong, or a login page answered.",
    ),
    (r"", "its registry failed", "It answered with an error of its own."),
)


def _database(_match: re.Match[str], said: str, _about: About) -> S3CError | None:
    if not database_failed(said):
        return None
    thing = "vulnerability database"
    if "checks bundle" in said:
        thing = "checks bundle"
    elif "Java DB" in said:
        thing = "Java database"
    repository = re.search(r"failed to download artifact from (\S+?): ", said)
    where = f" from {repository[1]}" if repository else ""
    why, cause = next((why, cause) for pattern, why, cause in _DATABASE if re.search(pattern, said))
    return OutsideError(
        f"Trivy's {thing} could not be downloaded{where}: {why}.",
        cause=cause,
        remedy="Give a mirror with --db-repository, keep Trivy's cache folder between runs, or scan with --offline.",
    )


def _config(match: re.Match[str], _said: str, _about: About) -> S3CError:
    return InputError(
        "trivy-config",
        f"{match['path']!r} cannot be used: {match['why']}.",
        cause="It is missing or is not YAML. A trivy.yaml in the working folder is read by itself.",
        remedy="Mend it (`trivy image --generate-default-config` writes one), or remove it.",
    )


def _flag(match: re.Match[str], _said: str, _about: About) -> S3CError:
    return InputError(
        "trivy-config",
        f"Trivy does not take {match['flag']} as it is set: {match['why'].strip()}.",
        cause="It stands so in a trivy.yaml, in a TRIVY_ environment variable, or in an input.",
        remedy="Set it to one of the values named.",
    )


def _ignore_file(match: re.Match[str], _said: str, _about: About) -> S3CError:
    return InputError(
        "ignore-files",
        f"{match['path']!r} cannot be read: {match['why'].strip()}.",
        remedy="Write it as Trivy's documentation has it: `vulnerabilities: [{id: CVE-…, expired_at: 2027-01-31, "
        "statement: why}]`.",
    )


def _vex(_match: re.Match[str], _said: str, _about: About) -> S3CError:
    return InputError(
        "vex",
        "a VEX document cannot be read.",
        cause="It is missing, or is neither OpenVEX, CSAF nor CycloneDX VEX.",
        remedy="Give the path of such a document, `repo` or `oci`.",
    )


def _ignore_policy(_match: re.Match[str], _said: str, _about: About) -> S3CError:
    return InputError(
        "ignore-policy",
        "the Rego policy cannot be used.",
        remedy="It needs `package trivy` and a rule `ignore`; try it with `opa check`.",
    )


def _platform(match: re.Match[str], _said: str, _about: About) -> S3CError:
    return InputError(
        "platform",
        f"the image has none for {match['platform']}.",
        remedy="Give a platform that it has, as os/architecture, such as linux/amd64.",
    )


def _archive(_match: re.Match[str], said: str, about: About) -> S3CError:
    if re.search(r"as a Docker image: (?:[^\n]*: )?(?:open|stat) [^\n]*: no such file", said):
        return InputError("input", f"{about.image!r} does not exist.", remedy="Give the path of an image archive.")
    return InputError(
        "input",
        f"{about.image!r} is no image archive that can be read.",
        cause="It is cut off, or is neither what `docker save` writes nor a folder in OCI layout.",
        remedy="Make it again with `docker save -o image.tar IMAGE`; unpack an OCI archive first and give the folder.",
    )


def _time_out(_match: re.Match[str], _said: str, about: About) -> S3CError:
    return OutsideError(
        f"Trivy did not finish within {about.timeout:g} s.",
        cause="The image is large, or the registry or the disk is slow.",
        remedy="Give it more time with --timeout, or skip large folders with --skip-dirs.",
    )


def _daemon(_match: re.Match[str], said: str, about: About) -> S3CError:
    if "No such image" in said or "not found" in said:
        return InputError(
            "image",
            f"{about.image} is not in the local {about.source}.",
            remedy="Build or pull it first, or take it from its registry with --image-source registry.",
        )
    return OutsideError(
        f"The local {about.source} could not be asked for the image.",
        cause="Its daemon does not run, or this user may not open its socket.",
        remedy="Start it, set DOCKER_HOST, or take the image from a registry with --image-source registry.",
    )


def _absent(_match: re.Match[str], _said: str, about: About) -> S3CError:
    return InputError(
        "image",
        f"{about.image} does not exist in its registry.",
        cause="The name or the tag is wrong, or the image was never pushed.",
        remedy="Look at the name and the tag; take an image that is only local with --image-source docker.",
    )


def _refused(_match: re.Match[str], _said: str, _about: About) -> S3CError:
    return OutsideError(
        "The registry refused to give the image out.",
        cause="Credentials are missing, wrong or expired, or may not read this repository.",
        remedy="Give registry-username and registry-password, or run `docker login` before.",
    )


def _busy(_match: re.Match[str], _said: str, _about: About) -> S3CError:
    return OutsideError(
        "The registry asked for fewer requests (429).",
        cause="It limits downloads, for anonymous users most of all.",
        remedy="Log in, use a mirror, or try again later.",
    )


def _certificate(_match: re.Match[str], _said: str, _about: About) -> S3CError:
    return OutsideError(
        "The registry's certificate is not trusted.",
        cause="It is self-signed, expired, or made for another name.",
        remedy="Add its authority to the machine's trust store, or set --insecure-registry.",
    )


def _unreachable(_match: re.Match[str], _said: str, _about: About) -> S3CError:
    return OutsideError(
        "The registry cannot be reached.",
        cause="Its name is wrong, it does not run, or a proxy or firewall is in between.",
        remedy="Look at the name and the network.",
    )


def _not_an_image(_match: re.Match[str], _said: str, _about: About) -> S3CError:
    return OutsideError(
        "The registry's answer is not an image.",
        cause="A proxy or login page answers in its place, or the reference names another kind of artifact.",
        remedy="Open the registry's address in a browser, and look at the reference.",
    )


def _registry_failed(_match: re.Match[str], _said: str, _about: About) -> S3CError:
    return OutsideError(
        "The registry failed.", cause="It answered with an error of its own.", remedy="Try again later."
    )


# Not compiled here: most runs have no error.
_TABLE: tuple[tuple[str, _Make], ...] = (
    (r"no space left on device|disk quota exceeded", _disk_full),
    (r"cannot be specified on the first run", _first_run),
    (r"DB schema|version of DB schema", _old_schema),
    (r"may be in use by another process", lambda _m, _s, about: cache_in_use(about)),
    (r"config file \"(?P<path>.*?)\" loading error: (?P<why>.*)", _config),
    (r"flag error: .*? for \"(?P<flag>[^\"]*)\" flag: (?P<why>.*)", _flag),
    (r"(?:error: )(?P<path>[^:]*?) parse error: (?P<why>.*)", _ignore_file),
    (r"VEX error", _vex),
    (r"ignore[- ]policy|rego|policy", _ignore_policy),
    (r"context deadline exceeded", _time_out),
    (r"DB|checks bundle", _database),
    (r"no child with platform (?P<platform>\S+)", _platform),
    (r"initialize archive image|as an OCI Image", _archive),
    (r"(docker|containerd|podman) error:", _daemon),
    (r"MANIFEST_UNKNOWN|NAME_UNKNOWN|404 Not Found", _absent),
    (r"TOOMANYREQUESTS|429", _busy),
    (r"UNAUTHORIZED|DENIED|401 Unauthorized|403 Forbidden", _refused),
    (r"x509:|certificate", _certificate),
    (r"unsupported artifact type|invalid character|unsupported MediaType", _not_an_image),
    (r"connection refused|no such host|network is unreachable|i/o timeout|: EOF|connection reset", _unreachable),
    (r"remote error", _registry_failed),
)
