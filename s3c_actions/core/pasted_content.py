"""Recognize content pasted where a path or a name belongs, before it is used, and never quote it.

`key: ${{ secrets.SIGNING_KEY }}` instead of `key-pem:` is a common mistake. Messages quote values through `quoted`,
which shows no such content, and at most 40 characters of anything else.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

from s3c_actions.core.patterns import late_pattern

MAX_SHOWN = 40
"""Characters of a given value that a message shows."""

PRIVATE_KEY = "a private key"
PKCS12 = "a PKCS#12 file"
CERTIFICATE = "a certificate"
KUBECONFIG = "a kubeconfig"
POLICY = "a policy"
DOCKER_CONFIG = "a Docker configuration"
TOKEN = "a token"  # noqa: S105
KEPT_FOLDER = "s3c-given-as-text"
"""Subfolder of a run's temporary folder for values that were given as text instead of a path."""
_PUBLIC = frozenset({CERTIFICATE, POLICY})

# Linux accepts neither longer paths nor longer parts: https://man7.org/linux/man-pages/man7/path_resolution.7.html
_PATH_BYTES, LONGEST_NAME = 4095, 255
_TOKENS = late_pattern(
    r"\b(gh[pousr]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{30}|glpat-[A-Za-z0-9_-]{20}|AKIA[A-Z0-9]{16}"
    r"|eyJ[A-Za-z0-9_-]{8,1000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-])"
)
_KEY = r"""(?m)^[ \t{,-]*["']?%s["']?[ \t]*:"""
_OF_KUBECONFIG = late_pattern(
    r"""["']?kind["']?\s*:\s*["']?Config\b"""
    r"""|["']?(client-key-data|client-certificate-data|certificate-authority-data)["']?\s*:"""
)
_BEGIN = late_pattern(r"-----(?:BEGIN|END) ([A-Z0-9 ]*)")
_BASE64 = late_pattern(r"[A-Za-z0-9+/_-]+={0,2}")
_YAML = late_pattern(r"""(?m)^[ \t]*(?:- +)*["']?[A-Za-z0-9_./-]+["']?:(?:\s|$)|^---\s*$|^%YAML""")
_JSON = late_pattern(r"""\s*(?:\{\s*["'}A-Za-z].*:|\{\s*\}|\[\s*[\[{"'])""", re.DOTALL)
_MEMBER = late_pattern(r"""\{\s*["'][^"']*["']\s*:""")
_SHORTEST_CODED = 40
_LONG_CODED = 100


def is_kept(path: Path) -> bool:
    """Return whether a file holds a value that was given as text, so that nothing is relative to it."""
    return path.parent.name == KEPT_FOLDER


def hide_kept_paths(text: str) -> str:
    """Return a message with `the text given` instead of the paths of such files, which no user knows."""
    if KEPT_FOLDER not in text:
        return text
    return re.sub(rf"[^\s'\"]{{0,500}}/{KEPT_FOLDER}/[a-z-]+", "the text given", text)


class PastedContent(ValueError):
    """A value that holds content where a path or a name belongs; `kind` describes it in words."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"a path: it holds {kind}")
        self.kind = kind


def quote_value(value: str) -> str:
    """Quote a given value for a message: at most 40 characters, and nothing that looks like content."""
    kind = recognize(value) or describe_structure(value) or ("JSON" if _MEMBER.search(value) else "")
    return f"what was given ({kind}, which is not shown)" if kind else repr(shorten(value))


def shorten(value: str) -> str:
    """Return the first 40 characters, with `…` when there are more."""
    return value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 1] + "…"


def shorten_path(value: str) -> str:
    """Return the last 40 characters, which contain the file's name, with `…` when there are more."""
    return value if len(value) <= MAX_SHOWN else "…" + value[-(MAX_SHOWN - 1) :]


def recognize(value: str) -> str:
    """Return what content a value holds that is no path, name or setting: a key, a certificate, a kubeconfig, a token.

    Args:
        value: as given; PEM and DER may be in base64, and line ends may be escaped as in JSON.

    Returns:
        A description such as `a private key`; empty when it is none of them.
    """
    text = value.replace("\\n", "\n")
    titles = [match[1].strip() for match in _BEGIN.finditer(text)] if "-----" in text else []
    if any("PRIVATE KEY" in title for title in titles):
        return PRIVATE_KEY
    # Every input of every command is looked at, and most hold no YAML.
    if ":" in text or "{" in text:
        if _is_kubeconfig(text):
            return KUBECONFIG
        if re.search(r"""["']auths["']\s*:\s*\{""", text):
            return DOCKER_CONFIG
    if _TOKENS.search(text):
        return TOKEN
    if titles:
        return CERTIFICATE if all("CERTIFICATE" in title for title in titles) else "PEM"
    content = decode_base64(value)
    return _of_bytes(content) if content is not None else ""


def recognize_in_path(value: str) -> str:
    """Return what content a value holds that has to be one path; whatever cannot be a path counts as content.

    Otherwise as `recognize`.
    """
    kind = recognize(value) or describe_structure(value)
    if kind:
        return kind
    if "\n" in value.strip() or "\r" in value.strip():
        return "several lines"
    if not value.isprintable() and any(not character.isprintable() and ord(character) < 0xA0 for character in value):
        return "control characters"
    encoded = value.encode(errors="surrogateescape")
    if len(encoded) > _PATH_BYTES or any(len(part) > LONGEST_NAME for part in encoded.split(b"/")):
        return "text that is longer than a path can be"
    word = value.strip()
    mixed = all(re.search(characters, word) for characters in ("[a-z]", "[A-Z]", "[0-9]"))
    if len(word) >= _LONG_CODED and mixed and _BASE64.fullmatch(word):
        return "text in base64"
    return ""


def describe_structure(value: str) -> str:
    """Return `JSON` or `YAML` when a value is one of them, else an empty text."""
    if _JSON.match(value):
        return "JSON"
    return "YAML" if _YAML.search(value) else ""


def is_policy(value: str) -> bool:
    """Return whether a value is the text of an `s3c-policy.yaml`."""
    return bool(describe_structure(value) and re.search(_KEY % "version", value)) and recognize(value) in {
        "",
        CERTIFICATE,
    }


def decode_base64(value: str) -> bytes | None:
    """Decode a value in base64 (of either alphabet, on one line or several); None when it is not base64."""
    word = "".join(value.split()).strip("\"'")
    if len(word) < _SHORTEST_CODED or "--" in word or not _BASE64.fullmatch(word):
        return None
    body = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        # A line of PEM alone, or a value cut off, has no whole number of groups.
        return base64.b64decode(body[: len(body) // 4 * 4] + _rest(body))
    except binascii.Error:
        return None


def _rest(body: str) -> str:
    remainder = body[len(body) // 4 * 4 :]
    return remainder + "=" * (4 - len(remainder)) if len(remainder) > 1 else ""


def is_secret_kind(kind: str) -> bool:
    """Return whether content of this kind is redacted everywhere; certificates and policies are public."""
    return bool(kind) and kind not in _PUBLIC


def secret_parts(value: str) -> Iterator[str]:
    """Yield the parts of content to redact: all of it, its lines, the values in them.

    The same of what it contains in base64.
    """
    content = decode_base64(value)
    for text in (value, content.decode(errors="ignore") if content is not None else ""):
        if not text.strip():
            continue
        yield text.strip()
        for line in text.replace("\\n", "\n").splitlines():
            yield from _of_line(line)


def kubeconfig_secrets(text: str) -> Iterator[str]:
    """Yield the credentials in a kubeconfig, as written and decoded from base64."""
    keys = "token|password|client-key-data|client-secret|id-token|refresh-token|access-token"
    for match in re.finditer(rf"""["']?(?:{keys})["']?\s*:\s*["']?([^\s"',}}]+)""", text):
        yield from secret_parts(match[1])


def _of_line(line: str) -> Iterator[str]:
    line = line.strip().strip(",")
    if len(line) >= 8:
        yield line
    yield from re.findall(r"""[:=]\s*["']?([^\s"',}\]]{8,})""", line)


def _is_kubeconfig(text: str) -> bool:
    known = sum(bool(re.search(_KEY % name, text)) for name in ("clusters", "users", "contexts", "current-context"))
    if text.lstrip().startswith("{"):
        known = sum(f'"{name}"' in text or f"{name}:" in text for name in ("clusters", "users", "contexts"))
    return known >= 2 or bool(_OF_KUBECONFIG.search(text))


def _of_bytes(content: bytes) -> str:
    """Describe content decoded from base64."""
    if len(content) > 8 and content[0] == 0x30 and content[1] in range(0x30, 0x85):
        return _of_der(content)
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return "an archive in base64" if content[:2] in {b"\x1f\x8b", b"PK"} else ""
    if not text.isprintable() and any(not character.isprintable() and not character.isspace() for character in text):
        return ""
    inside = recognize(text)
    return inside or (f"{describe_structure(text)} in base64" if describe_structure(text) else "")


def _of_der(content: bytes) -> str:
    """Describe content that begins like DER; its version distinguishes keys and PKCS#12 from certificates."""
    inside = content[2 + (content[1] & 0x7F if content[1] & 0x80 else 0) :]
    if inside[:3] == b"\x02\x01\x03":
        return PKCS12
    if inside[:3] in {b"\x02\x01\x00", b"\x02\x01\x01"}:
        return PRIVATE_KEY
    inner = inside[2 + (inside[1] & 0x7F if len(inside) > 1 and inside[1] & 0x80 else 0) :]
    if inside[:1] == b"\x30" and inner[:2] == b"\x06\x09" and inner[2:9] == bytes.fromhex("2a864886f70d01"):
        return PRIVATE_KEY  # encrypted (PKCS#8): it begins with the algorithm
    if inside[:1] == b"\x30" and content[1] & 0x80:
        return CERTIFICATE
    return ""


def normalize_certificates(text: str) -> tuple[str, str]:
    """Extract certificates from PEM or DER pasted for an input that takes certificates.

    Returns:
        The certificates in PEM, and the remaining text, such as paths. No certificates: an empty text.
    """
    content = decode_base64(text)
    if content is not None and content[:1] == b"\x30":
        body = base64.encodebytes(content).decode()
        return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n", ""
    if content is not None:
        text = content.decode("ascii", errors="ignore")
    text = text.replace("\\n", "\n")
    block = re.compile(r"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([^-]*)-----END \1-----")
    blocks = []
    for match in block.finditer(text):
        body = "\n".join(re.findall(".{1,64}", "".join(match[2].split())))
        blocks.append(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    return "".join(blocks), block.sub("\n", text) if blocks else text


def normalize_kubeconfig(text: str) -> str:
    """Return the text of a kubeconfig pasted as it is or in base64."""
    content = decode_base64(text)
    return content.decode(errors="replace") if content is not None else text


def _variants(value: str) -> Iterator[str]:
    yield from (quote(value, safe=""), quote(value), quote_plus(value))
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    yield from escaped
    # An error that quotes the text of another error escapes it once more.
    yield from (text.replace("\\", "\\\\") for text in escaped)
    data = value.encode(errors="surrogatepass")
    for shift in range(3):
        # The text before it decides where its bits begin; the characters at both ends also hold bits of adjacent bytes.
        coded = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        first, last = (0, 2, 3)[shift], len(coded) - bool((shift + len(data)) % 3)
        yield coded[first:last]
        yield coded[first:last].replace("+", "-").replace("/", "_")
    yield from (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode())


def secret_variants(value: str) -> set[str]:
    """Return the forms of a secret in other text: in a URL, in JSON, in base64, also after a user's name."""
    return {variant for variant in _variants(value) if len(variant) >= 8 and variant != value}
