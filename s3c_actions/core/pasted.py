"""Content pasted where a path or a name belongs: recognized before it is used, and never quoted.

`key: ${{ secrets.SIGNING_KEY }}` in place of `key-pem:` is a mistake that people make. What is quoted in a message goes
through `quoted`, which shows no such content, and 40 characters of anything else.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from pathlib import Path

LONGEST = 40
"""Characters of a given value that a message shows."""

PRIVATE_KEY = "a private key"
PKCS12 = "a PKCS#12 file"
CERTIFICATE = "a certificate"
KUBECONFIG = "a kubeconfig"
POLICY = "a policy"
DOCKER = "a Docker configuration"
TOKEN = "a token"  # noqa: S105
FOLDER = "s3c-given-as-text"
"""Folder, in a run's temporary one, of what was given as text in place of a path."""
_PUBLIC = frozenset({CERTIFICATE, POLICY})

# Linux takes no longer ones, nor longer parts: https://man7.org/linux/man-pages/man7/path_resolution.7.html
_PATH_BYTES, LONGEST_NAME = 4095, 255
_TOKENS = re.compile(
    r"\b(gh[pousr]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{30}|glpat-[A-Za-z0-9_-]{20}|AKIA[A-Z0-9]{16}"
    r"|eyJ[A-Za-z0-9_-]{8,1000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-])"
)
_KEY = r"""(?m)^[ \t{,-]*["']?%s["']?[ \t]*:"""
_OF_KUBECONFIG = re.compile(
    r"""["']?kind["']?\s*:\s*["']?Config\b"""
    r"""|["']?(client-key-data|client-certificate-data|certificate-authority-data)["']?\s*:"""
)
_BEGIN = re.compile(r"-----(?:BEGIN|END) ([A-Z0-9 ]*)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_YAML = re.compile(r"""(?m)^[ \t]*(?:- +)*["']?[A-Za-z0-9_./-]+["']?:(?:\s|$)|^---\s*$|^%YAML""")
_JSON = re.compile(r"""\s*(?:\{\s*["'}A-Za-z].*:|\{\s*\}|\[\s*[\[{"'])""", re.DOTALL)
_MEMBER = re.compile(r"""\{\s*["'][^"']*["']\s*:""")
_SHORTEST_CODED = 40
_LONG_CODED = 100


def is_kept(path: Path) -> bool:
    """Whether a file holds what was given as text, so that nothing is relative to it."""
    return path.parent.name == FOLDER


def without_kept(text: str) -> str:
    """A message with `the text given` in place of the paths of such files, which nobody has given."""
    if FOLDER not in text:
        return text
    return re.sub(rf"[^\s'\"]{{0,500}}/{FOLDER}/[a-z-]+", "the text given", text)


class Pasted(ValueError):
    """A value that holds content where a path or a name belongs; `kind` says in words what it seems to be."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"a path: it holds {kind}")
        self.kind = kind


def quoted(value: str) -> str:
    """A given value for a message: in quotes, 40 characters at most, and nothing of what looks like content."""
    kind = recognize(value) or structure(value) or ("JSON" if _MEMBER.search(value) else "")
    return f"what was given ({kind}, which is not shown)" if kind else repr(shortened(value))


def shortened(value: str) -> str:
    """The first 40 characters, with `…` when there are more."""
    return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"


def shortened_path(value: str) -> str:
    """The last 40 characters, with `…` when there are more: they have the file's name."""
    return value if len(value) <= LONGEST else "…" + value[-(LONGEST - 1) :]


def recognize(value: str) -> str:
    """What a value holds that is nobody's path, name or setting: a key, a certificate, a kubeconfig, a token.

    Args:
        value: as given; PEM and DER may be in base64, and line ends may be escaped as in JSON.

    Returns:
        In words, such as `a private key`; empty when it is none of them.
    """
    text = value.replace("\\n", "\n")
    titles = [found[1].strip() for found in _BEGIN.finditer(text)]
    if any("PRIVATE KEY" in title for title in titles):
        return PRIVATE_KEY
    if _is_kubeconfig(text):
        return KUBECONFIG
    if re.search(r"""["']auths["']\s*:\s*\{""", text):
        return DOCKER
    if _TOKENS.search(text):
        return TOKEN
    if titles:
        return CERTIFICATE if all("CERTIFICATE" in title for title in titles) else "PEM"
    content = decoded(value)
    return _of_bytes(content) if content is not None else ""


def in_path(value: str) -> str:
    """As `recognize`, of what has to be one path: what no path can be is content of some kind, too."""
    found = recognize(value) or structure(value)
    if found:
        return found
    if "\n" in value.strip() or "\r" in value.strip():
        return "several lines"
    if not value.isprintable() and any(not one.isprintable() and ord(one) < 0xA0 for one in value):
        return "control characters"
    encoded = value.encode(errors="surrogateescape")
    if len(encoded) > _PATH_BYTES or any(len(part) > LONGEST_NAME for part in encoded.split(b"/")):
        return "text that is longer than a path can be"
    word = value.strip()
    mixed = all(re.search(kind, word) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    if len(word) >= _LONG_CODED and mixed and _BASE64.fullmatch(word):
        return "text in base64"
    return ""


def structure(value: str) -> str:
    """Whether a value is JSON or YAML, in words; empty when it is neither."""
    if _JSON.match(value):
        return "JSON"
    return "YAML" if _YAML.search(value) else ""


def is_policy(value: str) -> bool:
    """Whether a value is the text of an `s3c-policy.yaml`."""
    return bool(structure(value) and re.search(_KEY % "version", value)) and recognize(value) in {"", CERTIFICATE}


def decoded(value: str) -> bytes | None:
    """What a value in base64 (of either alphabet, in lines or in one) stands for; None when it is no base64."""
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
    left = body[len(body) // 4 * 4 :]
    return left + "=" * (4 - len(left)) if len(left) > 1 else ""


def is_secret(kind: str) -> bool:
    """Whether content of this kind is hidden wherever it stands; certificates and policies may be read by all."""
    return bool(kind) and kind not in _PUBLIC


def parts(value: str) -> Iterator[str]:
    """What has to be hidden of content: it, its lines, the values in them, and the same of what it holds in base64."""
    content = decoded(value)
    for text in (value, content.decode(errors="ignore") if content is not None else ""):
        if not text.strip():
            continue
        yield text.strip()
        for line in text.replace("\\n", "\n").splitlines():
            yield from _of_line(line)


def secrets_of_kubeconfig(text: str) -> Iterator[str]:
    """The credentials in a kubeconfig, as they stand and out of their base64."""
    keys = "token|password|client-key-data|client-secret|id-token|refresh-token|access-token"
    for found in re.finditer(rf"""["']?(?:{keys})["']?\s*:\s*["']?([^\s"',}}]+)""", text):
        yield from parts(found[1])


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
    """What content out of base64 is."""
    if len(content) > 8 and content[0] == 0x30 and content[1] in range(0x30, 0x85):
        return _of_der(content)
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return "an archive in base64" if content[:2] in {b"\x1f\x8b", b"PK"} else ""
    if not text.isprintable() and any(not one.isprintable() and not one.isspace() for one in text):
        return ""
    inside = recognize(text)
    return inside or (f"{structure(text)} in base64" if structure(text) else "")


def _of_der(content: bytes) -> str:
    """What begins like a DER sequence; the version in front tells keys and PKCS#12 from certificates."""
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


def certificates(text: str) -> tuple[str, str]:
    """PEM or DER pasted for an input that takes certificates.

    Returns:
        The certificates in PEM, and what stands beside them, such as paths. No certificates: an empty text.
    """
    content = decoded(text)
    if content is not None and content[:1] == b"\x30":
        body = base64.encodebytes(content).decode()
        return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n", ""
    if content is not None:
        text = content.decode("ascii", errors="ignore")
    text = text.replace("\\n", "\n")
    block = re.compile(r"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([^-]*)-----END \1-----")
    found = []
    for one in block.finditer(text):
        body = "\n".join(re.findall(".{1,64}", "".join(one[2].split())))
        found.append(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    return "".join(found), block.sub("\n", text) if found else text


def kubeconfig(text: str) -> str:
    """A kubeconfig pasted as it is or in base64, as it is."""
    content = decoded(text)
    return content.decode(errors="replace") if content is not None else text


def _variants(value: str) -> Iterator[str]:
    from urllib.parse import quote, quote_plus

    yield from (quote(value, safe=""), quote(value), quote_plus(value))
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    yield from escaped
    # An error that quotes another's text escapes it once more.
    yield from (one.replace("\\", "\\\\") for one in escaped)
    data = value.encode(errors="surrogatepass")
    for shift in range(3):
        # What stands before it decides where its bits begin; the characters at the ends hold bits of others as well.
        coded = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        first, last = (0, 2, 3)[shift], len(coded) - bool((shift + len(data)) % 3)
        yield coded[first:last]
        yield coded[first:last].replace("+", "-").replace("/", "_")
    yield from (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode())


def variants(value: str) -> set[str]:
    """The forms in which a secret may stand in other text: in a URL, in JSON, in base64, also after a user's name."""
    return {one for one in _variants(value) if len(one) >= 8 and one != value}
