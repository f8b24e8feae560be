"""Translation of Trivy's errors into what to change.

Trivy ends with 1 for everything and gives the reason in one FATAL line of nested Go errors; the patterns here are of
Trivy 0.74 as recorded in tests/data/trivy.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

import msgspec

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain, status
from s3c_actions.core.patterns import late_pattern


class ErrorContext(msgspec.Struct, frozen=True, kw_only=True):
    """The run that failed: `image` as given, `timeout` in seconds, `source` as in `trivy.ScanRequest`."""

    image: str
    cache: Path
    timeout: float = 600.0
    source: str = "registry"


# Failed downloads of a database are matched before the errors of an image's registry.
_NO_DATABASE = r"failed to download (?:vulnerability|Java) DB|Java DB[^\n]*error|download checks bundle"
_NOT_DOWNLOADED = "Trivy's {database} could not be downloaded{from}: "
_GET_DATABASE = "Give a mirror with `db-repository`, keep Trivy's cache folder between runs, or scan with `offline`."
_CONFIGURED = "It stands so in a trivy.yaml, in a TRIVY_ environment variable, or in an input."

_DISK_FULL = Case(
    pattern=r"no space left on device|disk quota exceeded",
    what="The disk is full: Trivy could not write its cache or the report.",
    cause="Its databases need about 1 GB in {cache}, unpacked layers more in the temp folder.",
    remedy="Make room there, or give folders on another disk with `trivy-cache-dir` and TMPDIR.",
)
_IN_USE = Case(
    pattern=r"may be in use by another process",
    what="Trivy's cache {cache} was in use by another scan for {timeout} s.",
    cause="Trivy locks its databases for a whole scan, and another scan of this machine takes long or hangs.",
    remedy="Wait for it, raise `timeout`, or give this one a cache of its own with `trivy-cache-dir`.",
)

CASES = (
    _DISK_FULL,
    Case(
        pattern=r"cannot be specified on the first run",
        also=r"java",
        field="offline",
        what="there is no Java database in {java_db}.",
        cause="Offline, nothing is downloaded, and this cache has never had one.",
        remedy="Scan once without `offline`, or put the database and its metadata.json into that folder.",
    ),
    Case(
        pattern=r"cannot be specified on the first run",
        field="offline",
        what="there is no vulnerability database in {db}.",
        cause="Offline, nothing is downloaded, and this cache has never had one.",
        remedy="Scan once without `offline`, or put the database and its metadata.json into that folder.",
    ),
    Case(
        pattern=r"DB schema",
        what="The vulnerability database in {db} is of another version than this Trivy reads.",
        cause="It was made for another Trivy.",
        remedy="Remove that folder and scan without `offline`.",
    ),
    _IN_USE,
    Case(
        pattern=r"config file \"(?P<path>.{0,4096}?)\" loading error: (?P<why>.*)",
        field="trivy-config",
        what="{path!r} cannot be used: {why}.",
        cause="It is missing or is not YAML. A trivy.yaml in the working folder is read by itself.",
        remedy="Fix it (`trivy image --generate-default-config` writes one), or remove it.",
    ),
    Case(
        pattern=r"flag error: .{0,1000}? for \"(?P<flag>[^\"]{0,1000})\" flag: \s*(?P<why>.*)",
        field="trivy-config",
        what="Trivy does not take {flag} as it is set: {why}.",
        cause=_CONFIGURED,
        remedy="Set it to one of the values named.",
    ),
    Case(
        pattern=r"(?:error: )(?P<path>[^:]*?) parse error: \s*(?P<why>.*)",
        field="ignore-files",
        what="{path!r} cannot be read: {why}.",
        remedy="Write it as Trivy's documentation has it: `vulnerabilities: [{id: CVE-…, expired_at: 2027-01-31, "
        "statement: why}]`.",
    ),
    Case(
        pattern=r"VEX error",
        field="vex",
        what="a VEX document cannot be read.",
        cause="It is missing, or is neither OpenVEX, CSAF nor CycloneDX VEX.",
        remedy="Give the path of such a document, or `repo`.",
    ),
    Case(
        pattern=r"ignore[- ]policy|rego|policy",
        field="ignore-policy",
        what="the Rego policy cannot be used.",
        remedy="It needs `package trivy` and a rule `ignore`; try it with `opa check`.",
    ),
    Case(
        pattern=r"context deadline exceeded",
        what="Trivy did not finish within {timeout} s.",
        cause="The image is large, or the registry or the disk is slow.",
        remedy="Give it more time with `timeout`, or skip large folders with `skip-dirs`.",
    ),
    Case(
        pattern=rf"TOOMANYREQUESTS|{status(429)}",
        also=_NO_DATABASE,
        what=_NOT_DOWNLOADED + "too many requests (429).",
        cause="The registry limits downloads.",
        remedy=_GET_DATABASE,
    ),
    Case(
        pattern=rf"UNAUTHORIZED|DENIED|{status(401)}|{status(403)}",
        also=_NO_DATABASE,
        what=_NOT_DOWNLOADED + "access was refused.",
        cause="The repository is private, or stale credentials of Docker's configuration were sent to it.",
        remedy=_GET_DATABASE,
    ),
    Case(
        pattern=rf"MANIFEST_UNKNOWN|NAME_UNKNOWN|{status(404)}",
        also=_NO_DATABASE,
        what=_NOT_DOWNLOADED + "it is not there.",
        cause="The repository's name is wrong.",
        remedy=_GET_DATABASE,
    ),
    Case(
        pattern=r"no such host|connection refused|network is unreachable|i/o timeout|EOF\b|proxyconnect"
        r"|deadline exceeded",
        also=_NO_DATABASE,
        what=_NOT_DOWNLOADED + "its registry cannot be reached.",
        cause="There is no network, a proxy is in between, or the name is wrong.",
        remedy=_GET_DATABASE,
    ),
    Case(
        pattern=r"annotation \S+ is missing|media type|single layer|invalid character|gzip",
        also=_NO_DATABASE,
        what=_NOT_DOWNLOADED + "what is there is no database.",
        cause="The repository's name is wrong, or a login page answered.",
        remedy=_GET_DATABASE,
    ),
    Case(
        pattern=_NO_DATABASE,
        what=_NOT_DOWNLOADED + "its registry failed.",
        cause="It answered with an error of its own.",
        remedy=_GET_DATABASE,
    ),
    Case(
        pattern=r"failed to analyze layer [^\n]{0,2000}?"
        r"(?:invalid tar header|unexpected EOF|gzip: invalid|flate: corrupt|invalid checksum)",
        what="A layer of {image} cannot be read.",
        cause="It is no tar archive, or is cut off: it was damaged, what pushed it failed, or its download broke.",
        remedy="Try again; where that does not help, build the image anew and push it.",
    ),
    Case(
        pattern=r"no child with platform (?P<platform>\S+)",
        field="platform",
        what="the image has none for {platform}.",
        remedy="Give a platform that it has, as os/architecture, such as linux/amd64.",
    ),
    Case(
        pattern=r"initialize archive image|as an OCI Image",
        also=r"as a Docker image: (?:[^\n]{0,500}: )?(?:open|stat) [^\n]{0,4096}: no such file",
        field="input",
        what="{image!r} does not exist.",
        remedy="Give the path of an image archive.",
    ),
    Case(
        pattern=r"initialize archive image|as an OCI Image",
        field="input",
        what="{image!r} is no image archive that can be read.",
        cause="It is cut off, or is neither what `docker save` writes nor a folder in OCI layout.",
        remedy="Make it again with `docker save -o image.tar IMAGE`; unpack an OCI archive first and give the folder.",
    ),
    Case(
        pattern=r"(?:docker|containerd|podman) error:",
        also=r"No such image|not found",
        field="image",
        what="{image} is not in the local {source}.",
        remedy="Build or pull it first, or take it from its registry with `image-source` registry.",
    ),
    Case(
        pattern=r"(?:docker|containerd|podman) error:",
        what="The local {source} could not be asked for the image.",
        cause="Its daemon does not run, or this user may not open its socket.",
        remedy="Start it, set DOCKER_HOST, or take the image from a registry with `image-source` registry.",
    ),
    Case(
        pattern=rf"MANIFEST_UNKNOWN|NAME_UNKNOWN|{status(404)}",
        field="image",
        what="{image} does not exist in its registry.",
        cause="The name or the tag is wrong, or the image was never pushed.",
        remedy="Look at the name and the tag; take an image that is only local with `image-source` docker.",
    ),
    Case(
        pattern=rf"TOOMANYREQUESTS|{status(429)}",
        what="The registry asked for fewer requests (429).",
        cause="It limits downloads, for anonymous users most of all.",
        remedy="Log in, use a mirror, or try again later.",
    ),
    Case(
        pattern=rf"UNAUTHORIZED|DENIED|{status(401)}|{status(403)}",
        what="The registry refused to give the image out.",
        cause="Credentials are missing, wrong or expired, or may not read this repository.",
        remedy="Give `registry-username` and `registry-password`, or run `docker login` before.",
    ),
    Case(
        pattern=r"x509:|certificate",
        what="The registry's certificate is not trusted.",
        cause="It is self-signed, expired, or made for another name.",
        remedy="Add its authority to the machine's trust store, or set `insecure-registry`.",
    ),
    Case(
        pattern=r"unsupported artifact type|invalid character|unsupported MediaType",
        what="The registry's answer is not an image.",
        cause="A proxy or login page answers in its place, or the reference names another kind of artifact.",
        remedy="Open the registry's address in a browser, and look at the reference.",
    ),
    Case(
        pattern=r"connection refused|no such host|network is unreachable|i/o timeout|: EOF|connection reset",
        what="The registry cannot be reached.",
        cause="Its name is wrong, it does not run, or a proxy or firewall is in between.",
        remedy="Look at the name and the network.",
    ),
    Case(
        pattern=r"remote error",
        what="The registry failed.",
        cause="It answered with an error of its own.",
        remedy="Try again later.",
    ),
)

_FATAL = late_pattern(r"^\S+\tFATAL\t(?:Fatal error\t)?(?P<reason>.*)", re.MULTILINE | re.DOTALL)


def fatal_message(stderr: str) -> str:
    """The reason Trivy gave for ending; its last lines when it gave none."""
    match = _FATAL.search(stderr)
    reason = match["reason"] if match else "\n".join(stderr.strip().splitlines()[-5:])
    return re.sub(r"^(run error: )?(image scan error: )?(scan error: )?", "", reason.strip())


def is_database_failure(reason: str) -> bool:
    """Whether a database or the checks could not be downloaded."""
    return bool(re.search(_NO_DATABASE, reason))


def is_rate_limited(reason: str) -> bool:
    """Whether a registry limited requests."""
    return bool(re.search(r"TOOMANYREQUESTS|429 Too Many|status code 429", reason))


def translate(stderr: str, context: ErrorContext) -> S3CError:
    """The error of a run of Trivy that failed.

    Args:
        stderr: all its output.
        context: of the run.
    """
    reason = fatal_message(stderr)
    facts = _facts(context) | {"database": "vulnerability database", "from": ""}
    if "checks bundle" in reason:
        facts["database"] = "checks bundle"
    elif "Java DB" in reason:
        facts["database"] = "Java database"
    repository = re.search(r"failed to download artifact from (\S+?): ", reason)
    if repository:
        facts["from"] = f" from {repository[1]}"
    original = reason[:4000]
    return explain(
        reason, CASES, facts, image=context.image, original=original, flags=re.DOTALL, names=(context.image,)
    ) or OutsideError(
        "Trivy failed.",
        cause="For a reason this toolkit does not know.",
        remedy="Read what it said; the command above can be run by hand with --debug.",
        image=context.image,
        original=original,
    )


def cache_unusable_error(error: OSError, context: ErrorContext) -> S3CError:
    """The error of a cache folder of Trivy's that cannot be created or written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _DISK_FULL.error(_facts(context))
    return OutsideError(
        f"Trivy's cache folder {context.cache} cannot be used: {error.strerror}.",
        remedy="Give another one with `trivy-cache-dir`.",
        image=context.image,
    )


def cache_in_use_error(context: ErrorContext) -> S3CError:
    """The error of a cache that another program held for the whole time limit."""
    return _IN_USE.error(_facts(context))


def _facts(context: ErrorContext) -> dict[str, str]:
    return {
        "image": context.image,
        "source": context.source,
        "timeout": f"{context.timeout:g}",
        "cache": str(context.cache),
        "db": str(context.cache / "db"),
        "java_db": str(context.cache / "java-db"),
    }
