"""A registry, as the OCI distribution specification 1.1 has it: digests, manifests, configs, tags, referrers.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md. Every answer is limited in size and time, and
every manifest and blob is checked against its digest before anything in it is believed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from s3c_actions import credentials as logins
from s3c_actions.credentials import Credentials
from s3c_actions.errors import InputError, OutsideError, S3CError
from s3c_actions.image import DEFAULT_REGISTRY, Reference, is_digest

if TYPE_CHECKING:
    from requests import Response, Session

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST))

# The specification asks registries to take manifests of at least 4 MiB; a config holds the history of all layers.
MAX_MANIFEST = 4 * 1024 * 1024
MAX_CONFIG = 8 * 1024 * 1024
MAX_PAGES = 100
MAX_RETRY_AFTER = 20
HTTP_ERRORS = {429: "asked for fewer requests", 500: "failed inside", 502: "failed inside", 503: "is overloaded"}


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What a registry says of one piece of content (OCI image spec, descriptor.md).

    Attributes:
        digest, media_type, size: of the content; size in bytes.
        artifact_type: of a referrer or an artifact's manifest.
        platform: `os/architecture[/variant]` of an index's entry, empty when it says none.
        manifests: what an index lists, empty for a single manifest.
    """

    digest: str
    media_type: str
    size: int
    artifact_type: str = ""
    platform: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    manifests: tuple[Descriptor, ...] = ()

    @property
    def is_index(self) -> bool:
        """Whether this is a multi-platform image."""
        return self.media_type in INDEXES

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """The images an index lists, without attestations (their platform is `unknown/unknown`)."""
        return tuple(m for m in self.manifests if m.platform and not m.platform.startswith("unknown/"))

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms of an index; empty for a single manifest, whose config knows its own."""
        return tuple(m.platform for m in self.images)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest or index whose digest has been checked; `document` is the JSON of `content`."""

    descriptor: Descriptor
    document: Mapping[str, Any]
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """An image's configuration (OCI image spec, config.md). Labels are untrusted.

    Attributes:
        manifest: digest of the manifest it belongs to (of the platform chosen, for an index).
        platform: `os/architecture[/variant]`.
        diff_ids: digests of the uncompressed layers, the lowest first.
    """

    manifest: str
    platform: str
    diff_ids: tuple[str, ...]
    labels: Mapping[str, str]
    document: Mapping[str, Any]


class Registry:
    """Reads registries; one object holds the sessions and tokens of a run.

    Built on `requests`: the `oras` library waits without a time limit, retries a refused connection for two minutes,
    checks no digest, knows no referrers and reads the process's environment by itself.

    Args:
        environment: where Docker's configuration is looked up.
        credentials: registry → credentials that were given; for the others Docker's configuration is asked.
        insecure: plain HTTP, or certificates not checked.
        timeout: seconds for one answer, all of its body.
        retries: how often a 429 or 5xx is tried again.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        credentials: Mapping[str, Credentials] | None = None,
        insecure: bool = False,
        timeout: float = 30.0,
        retries: int = 3,
    ) -> None:
        self._environment = environment
        self._given = dict(credentials or {})
        self._insecure = insecure
        self._timeout = timeout
        self._retries = retries
        self._session: Session | None = None
        self._bases: dict[str, str] = {}
        self._authorizations: dict[tuple[str, str], str] = {}

    def __repr__(self) -> str:
        return f"Registry(insecure={self._insecure}, timeout={self._timeout})"

    def resolve(self, reference: Reference, *, field: str = "image") -> Descriptor:
        """The digest, type, size and platforms of a reference; its tag when it has no digest.

        Args:
            reference: what to look up.
            field: the input it came from, for the error.

        Raises:
            InputError: it is not in the registry; names the tags that are there, when they can be listed.
            OutsideError: the registry could not be asked, or gave an answer that cannot be believed.
        """
        return self.manifest(reference, field=field).descriptor

    def manifest(self, reference: Reference, *, field: str = "image") -> Manifest:
        """The manifest or index of a reference. Raises as `resolve` does."""
        wanted = reference.digest or reference.tag or "latest"
        path = f"/v2/{reference.repository}/manifests/{wanted}"
        response = self._get(reference, path, accept=ACCEPT)
        if response.status_code == 404:
            raise self._absent(reference, field)
        body = self._body(response, reference, MAX_MANIFEST)
        algorithm = (reference.digest or "sha256:").partition(":")[0]
        digest = f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
        said = response.headers.get("Docker-Content-Digest", digest)
        if (reference.digest and digest != reference.digest) or (said.startswith(f"{algorithm}:") and said != digest):
            raise _unbelievable(reference, f"the manifest's digest is {digest}, not {reference.digest or said}")
        document = _json(body, reference)
        kind = document.get("mediaType") or response.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind not in INDEXES | MANIFESTS:
            raise _unbelievable(reference, f"{str(kind)[:100]!r} is not the type of an image's manifest or index")
        descriptor = Descriptor(
            digest=digest,
            media_type=kind,
            size=len(body),
            artifact_type=str(document.get("artifactType") or ""),
            annotations=_texts(document.get("annotations")),
            manifests=_descriptors(document, reference) if kind in INDEXES else (),
        )
        return Manifest(descriptor=descriptor, document=document, content=body)

    def config(self, reference: Reference, *, platform: str = "", field: str = "image") -> ImageConfig:
        """The configuration of an image.

        Args:
            reference: an image or an index.
            platform: which of an index's images; its only one, else `linux/amd64`, when not given.
            field: the input the reference came from, for the error.

        Raises:
            InputError: it is not in the registry, or has no such platform (`platform`).
            OutsideError: the registry could not be asked, or gave an answer that cannot be believed.
        """
        manifest = self.manifest(reference, field=field)
        if manifest.descriptor.is_index:
            chosen = choose(manifest.descriptor, platform, reference)
            manifest = self.manifest(reference.at(chosen.digest), field=field)
        about = manifest.document.get("config")
        digest = str(about.get("digest", "")) if isinstance(about, dict) else ""
        if not is_digest(digest):
            raise _unbelievable(reference, "its manifest names no configuration")
        document = _json(self.blob(reference, digest), reference)
        rootfs = document.get("rootfs")
        layers = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        if not isinstance(layers, list) or not all(isinstance(one, str) for one in layers):
            raise _unbelievable(reference, "its configuration lists no layers")
        own = document.get("config")
        return ImageConfig(
            manifest=manifest.descriptor.digest,
            platform=_platform(document),
            diff_ids=tuple(layers),
            labels=_texts(own.get("Labels") if isinstance(own, dict) else None),
            document=document,
        )

    def blob(self, reference: Reference, digest: str) -> bytes:
        """Content of the reference's repository that a manifest names, at most MAX_CONFIG.

        Args:
            reference: names the repository.
            digest: of the content.

        Raises:
            OutsideError: it is missing, is other content, or the registry failed.
        """
        response = self._get(reference, f"/v2/{reference.repository}/blobs/{digest}")
        if response.status_code == 404:
            raise _unbelievable(reference, f"{digest}, which a manifest names, is missing")
        body = self._body(response, reference, MAX_CONFIG)
        if hashlib.new(digest.partition(":")[0], body).hexdigest() != digest.partition(":")[2]:
            raise _unbelievable(reference, f"what it sends for {digest} is other content")
        return body

    def tags(self, reference: Reference, *, field: str = "image") -> tuple[str, ...]:
        """Every tag of a repository, in the registry's order.

        Raises:
            InputError: the registry does not know the repository.
            OutsideError: the registry could not be asked, or gave an answer that cannot be believed.
        """
        found: list[str] = []
        path = f"/v2/{reference.repository}/tags/list?" + urlencode({"n": 1000})
        for _ in range(MAX_PAGES):
            response = self._get(reference, path)
            if response.status_code == 404:
                raise _no_repository(reference, field)
            page = _json(self._body(response, reference, MAX_MANIFEST), reference).get("tags") or []
            if not isinstance(page, list):
                raise _unbelievable(reference, "its list of tags is not a list")
            found += [tag for tag in page if isinstance(tag, str)]
            following = _next(response)
            if not following:
                return tuple(dict.fromkeys(found))
            path = following
        raise _unbelievable(reference, f"its list of tags has more than {MAX_PAGES} pages")

    def referrers(self, reference: Reference, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """What refers to a digest (signatures, reports), by the referrers API, else by its fallback tag.

        Args:
            reference: with a digest.
            artifact_type: only those of this type; all when empty.

        Raises:
            OutsideError: the registry could not be asked, or gave an answer that cannot be believed.
        """
        if not reference.digest:
            raise ValueError(f"{reference} has no digest")
        path = f"/v2/{reference.repository}/referrers/{reference.digest}"
        found: list[Descriptor] = []
        for number in range(MAX_PAGES):
            # Filtered here: a registry is free to ignore the query, and then says so in a header only.
            response = self._get(reference, path, accept=OCI_INDEX)
            if response.status_code in {404, 405} and number == 0:
                return self._fallback_referrers(reference, artifact_type)
            document = _json(self._body(response, reference, MAX_MANIFEST), reference)
            found += _descriptors(document, reference)
            following = _next(response)
            if not following:
                return tuple(one for one in found if artifact_type in ("", one.artifact_type))
            path = following
        raise _unbelievable(reference, f"its list of referrers has more than {MAX_PAGES} pages")

    def _fallback_referrers(self, reference: Reference, artifact_type: str) -> tuple[Descriptor, ...]:
        """The referrers tag schema: an index tagged `sha256-HEX` (at most 32 and 64 characters of each part)."""
        algorithm, _, encoded = reference.digest.partition(":")
        tag = f"{algorithm[:32]}-{encoded[:64]}"
        response = self._get(reference, f"/v2/{reference.repository}/manifests/{tag}", accept=OCI_INDEX)
        if response.status_code == 404:
            return ()
        document = _json(self._body(response, reference, MAX_MANIFEST), reference)
        listed = _descriptors(document, reference)
        return tuple(one for one in listed if artifact_type in ("", one.artifact_type))

    def _absent(self, reference: Reference, field: str) -> S3CError:
        if reference.digest:
            return InputError(
                field,
                f"{reference.digest} does not exist in {reference.name}.",
                cause="It was never pushed there, or has been deleted.",
                remedy="Look at the repository's name and the digest.",
                image=str(reference),
            )
        wanted = reference.tag or "latest"
        try:
            tags = [tag for tag in self.tags(reference, field=field) if not re.fullmatch(r"sha256-[0-9a-f]{64}", tag)]
        except InputError as unknown:
            return unknown
        except S3CError:
            tags = []  # some registries let nobody list tags; that the tag is not there is known all the same
        near = difflib.get_close_matches(wanted, tags, n=5, cutoff=0.5) or sorted(tags, reverse=True)[:10]
        more = f" and {len(tags) - len(near)} more" if len(tags) > len(near) else ""
        return InputError(
            field,
            f"tag {wanted} does not exist in {reference.name}"
            + (f"; tags there: {', '.join(near)}{more}." * bool(near) or "."),
            cause="" if near else "The repository is empty, or its tags may not be listed.",
            remedy="Give one of the tags that are there." if near else "Look at the name and the tag.",
            image=str(reference),
        )

    # HTTP

    def _get(self, reference: Reference, path: str, *, accept: str = "application/json") -> Response:
        """One GET, authorized as the registry asks; answers 200, 404 and 405 come back, all others raise."""
        base = self._base(reference.registry)
        url = path if "://" in path else urljoin(base, path)
        if urlsplit(url).netloc != urlsplit(base).netloc or urlsplit(url).scheme != urlsplit(base).scheme:
            raise _unbelievable(reference, "it sends to another host for the rest of a list")
        key = (reference.registry, reference.repository)
        headers = {"Accept": accept}
        if key in self._authorizations:
            headers["Authorization"] = self._authorizations[key]
        response = self._send(reference.registry, url, headers)
        if response.status_code == 401:
            authorization = self._authorize(reference, response)
            if authorization and authorization != headers.get("Authorization"):
                self._authorizations[key] = authorization
                response = self._send(reference.registry, url, {**headers, "Authorization": authorization})
        if response.status_code in {200, 404, 405}:
            return response
        raise self._refused(reference, response)

    def _base(self, registry: str) -> str:
        if registry in self._bases:
            return self._bases[registry]
        host = "registry-1.docker.io" if registry == DEFAULT_REGISTRY else registry
        base = f"https://{host}"
        if is_local(registry):
            base = f"http://{host}"
        elif self._insecure:
            # As Docker does it: HTTPS without checking the certificate, then plain HTTP.
            try:
                self._send(registry, f"https://{host}/v2/", {})
            except OutsideError:
                base = f"http://{host}"
        self._bases[registry] = base
        return base

    def _http(self) -> Session:
        if self._session is None:
            import requests
            from requests.adapters import HTTPAdapter
            from urllib3.util.retry import Retry

            self._session = requests.Session()
            # Without this, `requests` would look for credentials in ~/.netrc.
            self._session.auth = lambda request: request
            self._session.headers["User-Agent"] = "s3c"
            adapter = HTTPAdapter(
                max_retries=Retry(
                    total=self._retries,
                    connect=1,
                    read=1,
                    redirect=5,
                    status_forcelist=(429, 500, 502, 503, 504),
                    backoff_factor=0.5,
                    retry_after_max=MAX_RETRY_AFTER,
                    raise_on_status=False,
                )
            )
            self._session.mount("https://", adapter)
            self._session.mount("http://", adapter)
            self._session.verify = not self._insecure
            if self._insecure:
                import urllib3

                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return self._session

    def _send(
        self, registry: str, url: str, headers: Mapping[str, str], *, form: Mapping[str, str] | None = None
    ) -> Response:
        session = self._http()
        import requests

        try:
            return session.request(
                "POST" if form else "GET",
                url,
                headers=dict(headers),
                data=dict(form) if form else None,
                timeout=(min(10.0, self._timeout), self._timeout),
                stream=True,
            )
        except (requests.RequestException, UnicodeError) as error:
            raise _unreachable(registry, error, self._timeout) from None

    def _body(self, response: Response, reference: Reference, limit: int) -> bytes:
        import requests

        until = time.monotonic() + self._timeout
        body = bytearray()
        try:
            for chunk in response.iter_content(65536):
                body += chunk
                if len(body) > limit:
                    raise _unbelievable(reference, f"an answer is larger than {limit // 1024 // 1024} MiB")
                if time.monotonic() > until:
                    raise requests.Timeout
        except requests.RequestException as error:
            raise _unreachable(reference.registry, error, self._timeout) from None
        finally:
            response.close()
        return bytes(body)

    def _authorize(self, reference: Reference, response: Response) -> str:
        """The `Authorization` that a 401's challenge asks for (RFC 7235; distribution's token specification)."""
        registry = reference.registry
        challenge = response.headers.get("WWW-Authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        login = self._given.get(registry) or logins.from_docker(registry, self._environment)
        if scheme.lower() == "basic":
            return f"Basic {login.basic()}" if login and login.username else ""
        if scheme.lower() != "bearer":
            return ""
        asked = {key.lower(): value for key, value in re.findall(r'([A-Za-z_]+)="([^"]*)"', rest)}
        realm = asked.get("realm", "")
        safe = urlsplit(realm).scheme == "https" or (
            urlsplit(realm).scheme == "http" and response.url.startswith("http:")
        )
        if not safe:
            raise _unbelievable(reference, f"it asks to log in at {realm[:200]!r}, which is not a safe address")
        about = {key: asked[key] for key in ("service", "scope") if key in asked}
        if login and login.identity_token:
            form = {**about, "grant_type": "refresh_token", "refresh_token": login.identity_token, "client_id": "s3c"}
            answer = self._send(registry, realm, {}, form=form)
        else:
            headers = {"Authorization": f"Basic {login.basic()}"} if login else {}
            answer = self._send(registry, f"{realm}{'&' if '?' in realm else '?'}{urlencode(about)}", headers)
        if answer.status_code != 200:
            raise self._refused(reference, answer)
        document = _json(self._body(answer, reference, MAX_MANIFEST), reference)
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise _unbelievable(reference, "its token service gave no token")
        return f"Bearer {token}"

    def _refused(self, reference: Reference, response: Response) -> OutsideError:
        code, registry = response.status_code, reference.registry
        said = _error_text(response)
        response.close()
        login = registry in self._given
        if code in {401, 403}:
            return OutsideError(
                f"{registry} did not let us read {reference.repository} (HTTP {code}).",
                cause="The credentials given are wrong or may not read it."
                if login
                else "It is private (or does not exist there), and no credentials that open it were found.",
                remedy=f"Run `docker login {registry}`, or give registry-username and registry-password.",
                image=str(reference),
                original=said,
            )
        return OutsideError(
            f"{registry} answered HTTP {code} for {reference.repository}.",
            cause=f"The registry {HTTP_ERRORS.get(code, 'could not handle the request')}; "
            f"it was asked {self._retries + 1} times."
            if code in HTTP_ERRORS or code >= 500
            else "Something at that address is not a registry, or a proxy stands in between.",
            remedy="Try again later, or look at the registry's own status." if code >= 429 else "Look at the address.",
            image=str(reference),
            original=said,
        )


def is_local(registry: str) -> bool:
    """Whether a registry is this machine's, and so spoken to in plain HTTP, as Docker and Notation do."""
    host = registry.rpartition(":")[0] if re.search(r":[0-9]+$", registry) else registry
    return host in {"localhost", "[::1]"} or bool(re.fullmatch(r"127(?:\.[0-9]{1,3}){3}", host))


def choose(index: Descriptor, platform: str, reference: Reference) -> Descriptor:
    """The image of one platform in an index; see `Registry.config` for what an empty platform means.

    Raises:
        InputError: it lists no such platform.
    """
    if not platform and len(index.images) == 1:
        return index.images[0]
    wanted = platform or "linux/amd64"
    for one in index.images:
        if one.platform == wanted or one.platform.startswith(f"{wanted}/"):
            return one
    raise InputError(
        "platform",
        f"{reference} has no image for {wanted}.",
        cause=f"It has {', '.join(index.platforms) or 'none at all'}.",
        remedy="Give one of those.",
        image=str(reference),
    )


def _platform(document: Mapping[str, Any]) -> str:
    parts = [document.get(key) for key in ("os", "architecture", "variant")]
    return "/".join(str(part) for part in parts if part)


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def _descriptors(document: Mapping[str, Any], reference: Reference) -> tuple[Descriptor, ...]:
    listed = document.get("manifests")
    if not isinstance(listed, list):
        raise _unbelievable(reference, "its index lists no manifests")
    found = []
    for one in listed:
        if not isinstance(one, dict) or not is_digest(str(one.get("digest"))) or not isinstance(one.get("size"), int):
            raise _unbelievable(reference, "an entry of its index has no digest or size")
        platform = one.get("platform")
        found.append(
            Descriptor(
                digest=one["digest"],
                media_type=str(one.get("mediaType") or ""),
                size=one["size"],
                artifact_type=str(one.get("artifactType") or ""),
                platform=_platform(platform) if isinstance(platform, dict) else "",
                annotations=_texts(one.get("annotations")),
            )
        )
    return tuple(found)


def _json(body: bytes, reference: Reference) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise _unbelievable(reference, "an answer is not JSON") from None
    if not isinstance(document, dict):
        raise _unbelievable(reference, "an answer is not a JSON object")
    return document


def _next(response: Response) -> str:
    """The following page (RFC 8288), empty when this was the last."""
    link = response.links.get("next", {}).get("url", "")
    return urljoin(response.url, link) if link else ""


def _error_text(response: Response) -> str:
    """What the registry said, from the error format of the distribution specification; cut, since it is untrusted."""
    import requests

    try:
        body = next(response.iter_content(4096), b"")
        errors = json.loads(body)["errors"]
        return "; ".join(f"{one.get('code', '')}: {one.get('message', '')}" for one in errors)[:500]
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError):
        return ""


def _no_repository(reference: Reference, field: str) -> InputError:
    return InputError(
        field,
        f"repository {reference.repository} does not exist in {reference.registry}.",
        cause="Nothing was pushed there, or the name is misspelt.",
        remedy="Look at the name.",
        image=str(reference),
    )


def _unbelievable(reference: Reference, why: str) -> OutsideError:
    return OutsideError(
        f"{reference.registry} gave an answer for {reference.repository} that cannot be believed: {why}.",
        cause="The registry, or a proxy in between, is broken or has been tampered with.",
        remedy="Push the image again, or look at the registry.",
        image=str(reference),
    )


def _unreachable(registry: str, error: Exception, timeout: float) -> OutsideError:
    """Tell apart the ways in which no answer comes; the order matters, as the library's errors nest."""
    import requests

    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        what, cause = "TLS with it failed", "Its certificate is not trusted, or it speaks plain HTTP."
        remedy = "Trust its authority (REQUESTS_CA_BUNDLE), or give insecure-registry if you must."
    elif isinstance(error, requests.Timeout) or "timed out" in text:
        what, cause = f"it did not answer within {timeout:g} s", "It is overloaded, or a firewall drops the packets."
        remedy = "Try again later, or look at the network in between."
    elif "NameResolution" in text or "Failed to resolve" in text or isinstance(error, UnicodeError):
        what, cause = "its name cannot be resolved", "The name is misspelt, or this machine has no DNS for it."
        remedy = "Look at the registry's name in the image reference."
    elif "refused" in text:
        what, cause = "it refused the connection", "No registry listens there: it is down, or the port is another."
        remedy = "Start it, or look at the port in the image reference."
    elif isinstance(error, requests.exceptions.ChunkedEncodingError) or "IncompleteRead" in text:
        what, cause = "its answer was cut off", "The connection broke, or the registry is out of order."
        remedy = "Try again."
    else:
        what, cause, remedy = (
            "the connection failed",
            "The network or a proxy in between is out of order.",
            "Try again.",
        )
    return OutsideError(
        f"{registry}: {what}.", cause=cause, remedy=remedy, original=f"{type(error).__name__}: {text[:300]}"
    )
