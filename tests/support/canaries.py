"""Canaries: values that look like what people paste by mistake, and where their traces would be found."""

from __future__ import annotations

import base64
import json
import textwrap
from pathlib import Path

import msgspec

_BODY = base64.b64encode(b"".join(bytes((7 * number % 251, number)) for number in range(240))).decode()
PASSWORD = "kAnArIe-geheim%1/ü!"
SHORT = "q7Z"
_KEY = b"\x30\x82\x04\xa4\x02\x01\x00\x30\x0d" + b"kanarienvogel-im-bergwerk" * 12
_PFX = b"\x30\x82\x09\x10\x02\x01\x03\x30\x82" + b"kanarienvogel-im-bergwerk" * 40
_CERTIFICATE = b"\x30\x82\x03\x10\x30\x82\x02\x10\xa0\x03\x02\x01\x02" + b"kanarienvogel-im-bergwerk" * 12


class Canary(msgspec.Struct, frozen=True):
    """A value, and the pieces of it that nothing may show."""

    text: str
    pieces: tuple[str, ...]


def _coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _pem(title: str, content: bytes) -> str:
    body = "\n".join(textwrap.wrap(_coded(content), 64))
    return f"-----BEGIN {title}-----\n{body}\n-----END {title}-----\n"


def _canary(text: str, *pieces: str) -> Canary:
    return Canary(text=text, pieces=pieces)


_PEM = _pem("PRIVATE KEY", _KEY)
_LINES = tuple(_PEM.splitlines()[1:-1])
_KUBECONFIG = f"""\
apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
clusters: [{{name: test, cluster: {{server: "http://cluster.example:8080"}}}}]
users:
- name: test
  user:
    token: kanarie.{_BODY[:40]}
    client-key-data: {_coded(_PEM.encode())}
"""
_OF_KUBECONFIG = (f"kanarie.{_BODY[:40]}", _coded(_PEM.encode())[40:90])

KEYS = {
    "key": _canary(_PEM, *_LINES),
    "key on one line": _canary(_PEM.replace("\n", " "), *_LINES),
    "key with escaped lines": _canary(_PEM.replace("\n", "\\n"), *_LINES),
    "key, encrypted, OpenSSH": _canary(_pem("OPENSSH PRIVATE KEY", _KEY), *_LINES),
    "key in base64": _canary(_coded(_PEM.encode()), _coded(_PEM.encode())[40:90], *_LINES),
    "key in DER and base64": _canary(_coded(_KEY), _coded(_KEY)[41:90]),
    "one line of a key": _canary(_LINES[0], _LINES[0][:41]),
    "PKCS#12 in base64": _canary(_coded(_PFX), _coded(_PFX)[41:90]),
    "PKCS#12 in lines": _canary("\n".join(textwrap.wrap(_coded(_PFX), 76)), _coded(_PFX)[:76], _coded(_PFX)[76:140]),
    "kubeconfig": _canary(_KUBECONFIG, *_OF_KUBECONFIG),
    "kubeconfig in base64": _canary(_coded(_KUBECONFIG.encode()), _coded(_KUBECONFIG.encode())[41:90], *_OF_KUBECONFIG),
    "kubeconfig in JSON": _canary(
        json.dumps({"kind": "Config", "users": [{"user": {"token": f"kanarie.{_BODY[:40]}"}}], "clusters": []}),
        f"kanarie.{_BODY[:40]}",
    ),
    "token": _canary("ghp_" + "kAnArIeKaNaRi0123456789" * 2, "kAnArIeKaNaRi0123456789"),
    "Docker's configuration": _canary('{"auths": {"registry.example": {"auth": "a2FuYXJpZTpnZWhlaW0="}}}', "a2FuYXJp"),
}
"""What no input takes but `kubeconfig`, and no output shows."""

TEXTS = {
    "YAML": _canary(f"# a secret\nkind: Secret\nstringData:\n  password: {PASSWORD}\n", PASSWORD),
    "JSON": _canary(json.dumps({"password": "kanarie-geheim-1"}), "kanarie-geheim-1"),
    "base64": _canary(_BODY, _BODY[41:90]),
    "long": _canary("kanarie" * 800, "kanarie" * 6),
}
"""What cannot be a path, beside those."""

CERTIFICATE = _canary(_pem("CERTIFICATE", _CERTIFICATE), *_pem("CERTIFICATE", _CERTIFICATE).splitlines()[1:-1])


def forms(secret: str) -> tuple[str, ...]:
    """A secret as other text may hold it: as it stands, in a URL, in JSON, in logins and other base64."""
    from urllib.parse import quote, quote_plus

    whole = secret.encode()
    coded = [base64.b64encode(user.encode() + b":" + whole).decode() for user in ("user", "robot", "a", "ab")]
    spellings = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], _coded(whole)}
    return (*sorted(spellings), *coded)


def pieces(secret: str) -> tuple[str, ...]:
    """What is looked for of a secret: all of its forms, and of a login what is the password's alone."""
    # The first and the last group hold bits of what stands around the password as well.
    inside = (coded[4 * ((len(coded) - len(_coded(secret.encode()))) // 4 + 2) : -4] for coded in forms(secret)[-4:])
    return (*forms(secret), *inside)


def shown(log: str) -> str:
    """A log without the masks that only the runner sees."""
    return "\n".join(line for line in log.splitlines() if not line.startswith("::add-mask::"))


def leaks(pieces: tuple[str, ...], log: str, folder: Path, before: frozenset[Path]) -> list[str]:
    """Where a piece is found: in the log, or in a file below the folder that was not there before."""
    leaked = [f"log: {piece!r}" for piece in pieces if piece in shown(log)]
    for path in sorted(file for file in folder.rglob("*") if file.is_file() and file not in before):
        content = path.read_text(encoding="utf-8", errors="replace")
        leaked += [f"{path.relative_to(folder)}: {piece!r}" for piece in pieces if piece in content]
    return leaked


def files(folder: Path) -> frozenset[Path]:
    """What is there now."""
    return frozenset(file for file in folder.rglob("*") if file.is_file())
