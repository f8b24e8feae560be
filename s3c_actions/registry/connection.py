"""Send HTTP requests to registries: addresses, sessions, tokens, and the meaning of their errors.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md, and for tokens
https://distribution.github.io/distribution/spec/auth/. Every answer is limited in size and time.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from s3c_actions.core import reading, response_limits, web
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.explain import Case, explain
from s3c_actions.core.libraries import requests, urllib3
from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.reference import DEFAULT_REGISTRY, Reference
from s3c_actions.registry import challenges
from s3c_actions.registry.content import MAX_MANIFEST, invalid_answer, parse_json_object
from s3c_actions.registry.credentials import Logins

if TYPE_CHECKING:
    from requests import Response, Session

    from s3c_actions.registry.challenges import Challenge

MAX_RETRY_AFTER = 20
CONNECTIONS = 64
"""Kept open to one host: as many as there can be jobs. The library warns of each that it closes."""
_PAUSE = 1.0
"""Seconds to wait for a registry that asks for fewer requests and does not say when."""
_PAUSES = 3
_LONG = 16 * 1024
HTTP_ERRORS = {429: "asked for fewer requests", 500: "failed inside", 502: "failed inside", 503: "is overloaded"}
WRITE_REFUSALS = (
    Case(
        pattern=r"immutable|cannot be overwritten|TAG_ALREADY_EXISTS|REGISTRY_DISALLOWED_OPERATION",
        what="{registry} did not replace what is at {repository}{tag} (HTTP {code}).",
        cause="Its tags are immutable, or this one is locked.",
        remedy="Push to a tag that does not exist. Where a registry has no Referrers API, the list of what refers to "
        f"an image is a tag too (`sha256-…`): exempt such tags from the rule ({doc_link('registries.md')}).",
    ),
    Case(
        pattern=r"unknown media type",
        what="{registry} does not store this kind of content in {repository} (HTTP {code}).",
        cause="It takes the types that it knows and no others, as GitLab's registry does.",
        remedy=f"Use a registry that takes any ({doc_link('registries.md')}).",
    ),
)
"""What registries say of a push that they reject, whatever their status code."""
WRITE_ERRORS = {
    400: ("It does not accept this kind of content, or found it damaged.", "Look at what the registry says of it."),
    404: ("There is no such repository, and pushing does not make it.", "Make the repository first."),
    405: ("The registry is read-only, or the tag or repository is locked.", "Push to another tag or registry."),
    409: ("The tag is locked, or another push is changing it at this moment.", "Unlock the tag, or push to another."),
    412: ("A rule of the registry forbids it, such as immutable tags.", "Push to another tag, or change the rule."),
    413: ("The registry, or a proxy in between, takes no content of this size.", "Raise its limit."),
}
_DEFAULT_PORTS = {"http": 80, "https": 443}
PACKAGE_DENIALS = late_pattern(
    r"permission_denied: (?:read|write|delete)_package|token provided does not match expected scopes"
    r"|installation not allowed to (?:create|write|read) organi[sz]ation package",
    re.IGNORECASE,
)
"""What GitHub's container registry answers a job whose token may not do that."""
READ_METHODS = frozenset({"GET", "HEAD"})


class RegistryUnreachable(OutsideError):
    """No answer was received, or only a part of one; a retry may succeed."""


class Connection:
    """Requests to registries, authorized as each of them demands; see `reading.Registry` for the arguments.

    Several threads may use it at once. When a registry asks one of them to wait (`Retry-After`), all of them do.

    Built on `requests`: the `oras` library waits without a time limit, retries a refused connection for two minutes,
    checks no digest, knows no referrers and reads the process's environment by itself.
    """

    def __init__(
        self,
        *,
        logins: Logins,
        insecure: bool,
        timeout: float,
        retries: int,
    ) -> None:
        self._logins = logins
        self._insecure = insecure
        self._timeout = timeout
        self._retries = retries
        self._session: Session | None = None
        self._bases: dict[str, str] = {}
        self._authorizations: dict[tuple[str, str, bool, str], str] = {}
        self._starting = threading.Lock()
        self._login = threading.Lock()
        self._paused: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"Connection(insecure={self._insecure}, timeout={self._timeout})"

    def request(
        self,
        method: str,
        reference: Reference,
        path: str,
        *,
        accept: str = "application/json",
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Collection[int] = (200, 404, 405),
        also: str = "",
        redirects: bool = True,
    ) -> Response:
        """Send a request, and return its answer, which the caller reads and closes.

        Args:
            method: GET and HEAD need the permission to pull, all others to push.
            reference: names the registry and the repository.
            path: from the registry's root, or an address that the registry gave.
            accept: media types.
            content: the body.
            headers: additional headers.
            expected: status codes to return; all others raise.
            also: another repository of the registry, which needs the permission to pull.
            redirects: whether a redirect is followed; otherwise `expected` has its status codes.

        Raises:
            OutsideError: the registry could not be reached, rejected the request, or redirects to another host.
        """
        base = self._base(reference.registry)
        url = path if "://" in path else urljoin(base, path)
        if not same_origin(url, base):
            raise invalid_answer(reference, "it sends to another host for the rest")
        writes = method not in READ_METHODS
        key = (reference.registry, reference.repository, writes, also)
        sent = {"Accept": accept, **(headers or {})}
        if key in self._authorizations:
            sent["Authorization"] = self._authorizations[key]
        response = self._send(reference.registry, url, sent, method=method, content=content, redirects=redirects)
        if response.status_code == 401:
            challenge = _challenge(response)
            if key not in self._authorizations and challenge is not None and challenge.scheme == "bearer":
                # A token and a second attempt follow: the token's request reuses this connection.
                self.dismiss(response, reference)
            authorization = self._authorize(reference, response, writes, also)
            if authorization and authorization != sent.get("Authorization"):
                self.dismiss(response, reference)
                self._authorizations[key] = sent["Authorization"] = authorization
                response = self._send(
                    reference.registry, url, sent, method=method, content=content, redirects=redirects
                )
        if response.status_code in expected:
            return response
        raise self._http_error(reference, response, writes)

    def body(self, response: Response, reference: Reference, limit: int) -> bytes:
        """Return the whole body of an answer.

        Args:
            response: of a request for `reference`; closed.
            reference: for the error.
            limit: in bytes.

        Raises:
            OutsideError: it is larger, takes longer than the time limit, or was cut off.
        """
        deadline = time.monotonic() + self._timeout
        content = bytearray()
        for chunk in self.chunks(response, reference, 65536):
            content += chunk
            if len(content) > limit:
                response.close()
                raise invalid_answer(reference, f"an answer is larger than {limit // 1024 // 1024} MiB")
            if time.monotonic() > deadline:
                response.close()
                raise unreachable_error(reference.registry, requests.Timeout(), self._timeout)
        return bytes(content)

    def dismiss(self, response: Response, reference: Reference) -> None:
        """Close an answer without using it; when it is short, its connection is kept for the next request."""
        remaining = response.raw.length_remaining
        if remaining and remaining < _LONG:
            with suppress(OutsideError):
                self.body(response, reference, _LONG)
        response.close()

    def chunks(self, response: Response, reference: Reference, size: int) -> Iterator[bytes]:
        """Yield an answer in chunks of at most `size` bytes, each within the time limit; close it at the end.

        Raises:
            OutsideError: it was cut off, or nothing was received for too long.
        """
        try:
            yield from response.iter_content(size)
        except requests.RequestException as error:
            raise unreachable_error(reference.registry, error, self._timeout) from None
        finally:
            response.close()

    def _base(self, registry: str) -> str:
        if registry in self._bases:
            return self._bases[registry]
        host = "registry-1.docker.io" if registry == DEFAULT_REGISTRY else registry
        base = f"https://{host}"
        if is_local(registry):
            base = f"http://{host}"
        elif self._insecure:
            # As Docker does: HTTPS without checking the certificate, then plain HTTP.
            try:
                self._send(registry, f"https://{host}/v2/", {})
            except OutsideError:
                base = f"http://{host}"
        self._bases[registry] = base
        return base

    def _http(self) -> Session:
        with self._starting:
            if self._session is None:
                self._session = self._create_session()
            return self._session

    def _create_session(self) -> Session:
        # Also without `requests`, an HTTP client takes long to import, and a report of a file asks no registry.

        # The session first: it imports all of `requests`, which another thread may be doing as well. Importing a
        # part of it beside that thread may find it half imported.
        session = web.create_session()

        pause = self._pause

        class Once(urllib3.Retry):
            """Do not retry an answer that used up its time limit; let all threads wait where one is asked to."""

            def increment(
                self,
                method: str | None = None,
                url: str | None = None,
                response: Any = None,
                error: Exception | None = None,
                _pool: Any = None,
                _stacktrace: Any = None,
            ) -> Once:
                if error is not None and isinstance(error.__cause__, response_limits.TooSlow):
                    raise error
                if response is not None and _pool is not None:
                    asked = self.get_retry_after(response)
                    if response.status == 429 or (response.status == 503 and asked is not None):
                        pause(_pool.host.strip("[]"), _pool.port, _PAUSE if asked is None else asked)
                return super().increment(method, url, response, error, _pool, _stacktrace)

        adapter = requests.adapters.HTTPAdapter(
            max_retries=Once(
                total=self._retries,
                connect=1,
                read=1,
                redirect=5,
                status_forcelist=(429, 500, 502, 503, 504),
                backoff_factor=0.5,
                retry_after_max=MAX_RETRY_AFTER,
                raise_on_status=False,
                # Every request is safe to repeat; chunks of an upload state their offset.
                allowed_methods=None,
            ),
            pool_maxsize=CONNECTIONS,
        )
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.verify = not self._insecure
        if self._insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return session

    def _pause(self, host: str, port: int | None, seconds: float) -> None:
        """Let no thread send to a host for a while, which asked for fewer requests."""
        until = time.monotonic() + min(seconds, MAX_RETRY_AFTER)
        key = f"{host}:{port}"
        self._paused[key] = max(self._paused.get(key, 0.0), until)

    def _wait(self, url: str) -> None:
        """Wait as long as a host asked any thread to; longer where it asks again meanwhile, but not for ever."""
        parts = urlsplit(url)
        key = f"{parts.hostname}:{parts.port or _DEFAULT_PORTS.get(parts.scheme)}"
        for _ in range(_PAUSES):
            rest = self._paused.get(key, 0.0) - time.monotonic()
            if rest <= 0:
                return
            time.sleep(rest)

    def _send(
        self,
        registry: str,
        url: str,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        content: bytes | Mapping[str, str] | None = None,
        redirects: bool = True,
    ) -> Response:
        session = self._http()

        self._wait(url)
        try:
            response = session.request(
                method,
                url,
                headers=dict(headers),
                data=content,
                timeout=(min(10.0, self._timeout), self._timeout),
                stream=True,
                allow_redirects=redirects,
            )
            if response.raw.length_remaining == 0:
                # No body: read to its end, because closing an answer earlier closes its connection too.
                response.content  # noqa: B018
            return response
        except (requests.RequestException, UnicodeError) as error:
            raise unreachable_error(registry, error, self._timeout) from None

    def _authorize(self, reference: Reference, response: Response, writes: bool, also: str) -> str:
        """Return the `Authorization` that a 401's challenge asks for (RFC 7235; distribution's token specification)."""
        registry = reference.registry
        with self._login:  # a credential helper is asked by one thread at a time
            login = self._logins.of(registry)
        challenge = _challenge(response)
        if challenge is None:
            return ""
        if login and login.registry_token and (challenge.scheme == "bearer" or not login.username):
            return f"Bearer {login.registry_token}"  # which nobody has to be asked for
        if challenge.scheme == "basic":
            return f"Basic {login.basic()}" if login and login.username else ""
        parameters = challenge.parameters
        realm = parameters.get("realm", "")
        safe = urlsplit(realm).scheme == "https" or (
            urlsplit(realm).scheme == "http" and response.url.startswith("http:")
        )
        if not safe:
            raise invalid_answer(reference, f"it asks to log in at {realm[:200]!r}, which is not a safe address")
        service = {"service": parameters["service"]} if "service" in parameters else {}
        scopes = _scopes(parameters.get("scope", ""), reference, writes, also)
        if login and login.identity_token:
            form = {
                **service,
                "scope": " ".join(scopes),
                "grant_type": "refresh_token",
                "refresh_token": login.identity_token,
                "client_id": "s3c",
            }
            answer = self._send(registry, realm, {}, method="POST", content=form, redirects=False)
        else:
            headers = {"Authorization": f"Basic {login.basic()}"} if login else {}
            query = urlencode([*service.items(), *(("scope", scope) for scope in scopes)])
            answer = self._send(registry, f"{realm}{'&' if '?' in realm else '?'}{query}", headers, redirects=False)
        if answer.is_redirect:
            # It received credentials; the registry did not name the target of the redirect for them.
            answer.close()
            raise invalid_answer(reference, "its token service sends to another address")
        if answer.status_code != 200:
            raise self._http_error(reference, answer, writes)
        document = parse_json_object(self.body(answer, reference, MAX_MANIFEST), partial(invalid_answer, reference))
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise invalid_answer(reference, "its token service gave no token")
        self._logins.hide(token)
        return f"Bearer {token}"

    def _http_error(self, reference: Reference, response: Response, writes: bool) -> OutsideError:
        code, registry = response.status_code, reference.registry
        registry_text = _error_text(response)
        response.close()
        facts = {"registry": registry, "repository": reference.repository, "code": code}
        facts["tag"] = f":{reference.tag}" if reference.tag else ""
        refusal = explain(registry_text, WRITE_REFUSALS, facts, image=str(reference), original=registry_text)
        if writes and 400 <= code < 500 and isinstance(refusal, OutsideError):
            return refusal
        has_login = registry in self._logins.given
        if code in {401, 403}:
            if PACKAGE_DENIALS.search(registry_text):
                right = "write" if writes else "read"
                return OutsideError(
                    f"{registry} did not let us {'write to' if writes else 'read'} {reference.repository} "
                    f"(HTTP {code}).",
                    cause=f"The token may not {right} packages, or not those of another repository. In a run for a "
                    "fork or Dependabot it only reads.",
                    remedy=f"Give the job the permission `packages: {right}`, and this repository access in the "
                    "settings of the package (Manage Actions access).",
                    image=str(reference),
                    original=registry_text,
                )
            exchange = None if has_login else self._logins.exchange
            explanation = exchange.refusal(registry, reference.repository, writes, registry_text) if exchange else None
            if explanation is not None:
                return OutsideError(
                    f"{registry} did not let us {'write to' if writes else 'read'} {reference.repository} "
                    f"(HTTP {code}).",
                    cause=explanation[0],
                    remedy=explanation[1],
                    image=str(reference),
                    original=registry_text,
                )
            helper = "" if has_login else self._logins.missing_helpers.get(registry)
            return OutsideError(
                f"{registry} did not let us {'write to' if writes else 'read'} {reference.repository} (HTTP {code}).",
                cause=f"The credential helper {helper}, which Docker's configuration names, is not installed."
                if helper
                else f"The credentials given are wrong or may not {'write to' if writes else 'read'} it."
                if has_login
                else "It is private (or does not exist there), and no credentials that open it were found."
                if not writes
                else "No credentials that may push to it were found.",
                remedy=f"Run `docker login {registry}`, or give `registry-username` and `registry-password`.",
                image=str(reference),
                original=registry_text,
            )
        if writes and code in WRITE_ERRORS:
            cause, remedy = WRITE_ERRORS[code]
            return OutsideError(
                f"{registry} did not take what was sent to {reference.repository} (HTTP {code}).",
                cause=cause,
                remedy=remedy,
                image=str(reference),
                original=registry_text,
            )
        return OutsideError(
            f"{registry} answered HTTP {code} for {reference.repository}.",
            cause=f"The registry {HTTP_ERRORS.get(code, 'could not handle the request')}; "
            f"it was asked {self._retries + 1} times."
            if code in HTTP_ERRORS or code >= 500
            else "Something at that address is not a registry, or a proxy stands in between.",
            remedy="Try again later, or look at the registry's own status." if code >= 429 else "Look at the address.",
            image=str(reference),
            original=registry_text,
        )


def _challenge(response: Response) -> Challenge | None:
    """Return how to authenticate after a 401, by the schemes that we support."""
    return challenges.choose(challenges.parse([response.headers.get("WWW-Authenticate", "")]))


def _scopes(asked: str, reference: Reference, writes: bool, also: str) -> list[str]:
    """Return the scopes to request a token for: those of the challenge, plus those known to be needed."""
    scopes = [asked] if asked else []
    if writes and not re.search(r"push|delete|\*", asked):
        scopes = [f"repository:{reference.repository}:pull,push"]
    return scopes + [f"repository:{also}:pull"] * bool(also)


def same_origin(first: str, second: str) -> bool:
    """Return whether two addresses have the same scheme, host and port (RFC 6454), and none has credentials."""
    try:
        urls = (urlsplit(first), urlsplit(second))
        origins = {(url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)) for url in urls}
    except ValueError:  # a port that is none
        return False
    return len(origins) == 1 and not any("@" in url.netloc for url in urls)


def is_local(registry: str) -> bool:
    """Return whether a registry is on this machine, and so is addressed in plain HTTP, as Docker and Notation do."""
    host = registry.rpartition(":")[0] if re.search(r":[0-9]+$", registry) else registry
    return host in {"localhost", "[::1]"} or bool(re.fullmatch(r"127(?:\.[0-9]{1,3}){3}", host))


def _error_text(response: Response) -> str:
    """Return the registry's message, in the specification's error format; cut, since it is untrusted."""
    try:
        body = next(response.iter_content(4096), b"")
        errors = reading.parse_json(body)["errors"]
        return "; ".join(f"{item.get('code', '')}: {item.get('message', '')}" for item in errors)[:500]
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError):
        return ""


def unreachable_error(registry: str, error: Exception, timeout: float) -> RegistryUnreachable:
    """Distinguish the reasons for a missing answer; the order matters, because the library's errors nest."""
    text, original = str(error), ""
    if isinstance(error, requests.exceptions.SSLError):
        original = text
        what, cause = "TLS with it failed", "Its certificate is not trusted, or it speaks plain HTTP."
        remedy = "Trust its authority (REQUESTS_CA_BUNDLE), or give `insecure-registry` if you must."
    elif isinstance(error, requests.exceptions.ProxyError):
        what, cause = (
            "the proxy between did not connect us",
            "HTTPS_PROXY or HTTP_PROXY names it; it is down or refuses.",
        )
        remedy = "Correct the variable, or name the registry in NO_PROXY where no proxy is needed."
    elif isinstance(error, requests.Timeout) or "timed out" in text:
        what, cause = f"it did not answer within {timeout:g} s", "It is overloaded, or a firewall drops the packets."
        remedy = "Try again later, or look at the network in between."
    elif "NameResolution" in text or "Failed to resolve" in text or isinstance(error, UnicodeError):
        what, cause = "its name cannot be resolved", "The name is misspelt, or this machine has no DNS for it."
        remedy = (
            "Look at the registry's name in the image reference. Where this machine reaches others through a proxy, "
            "set HTTPS_PROXY (and NO_PROXY for those that it reaches itself)."
        )
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
        original = text
    # What was recognized is said in words: the library's text would say the same in 250 characters of its own terms.
    return RegistryUnreachable(
        f"{registry}: {what}.",
        cause=cause,
        remedy=remedy,
        original=f"{type(error).__name__}: {original[:300]}" if original else "",
    )
