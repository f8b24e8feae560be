"""Lets notation sign with a vault's key: a plugin for one run, and the socket on which it calls this process.

Notation starts the plugin, so a token for it would have to be in its environment, its arguments or a file. Instead it
knows a socket in a folder that only this user may enter; tokens stay in this process.
https://github.com/notaryproject/specifications/blob/main/specs/plugin-extensibility.md
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions import __version__
from s3c_actions.core import reading, tempdir
from s3c_actions.core.errors import S3CError
from s3c_actions.programs import sockets
from s3c_actions.signing import certificate_rules
from s3c_actions.signing.libraries import serialization

if TYPE_CHECKING:
    from s3c_actions.azure.vault import Vault, VaultCertificate

PLUGIN_NAME = "s3c-azure"
CONTRACT = "1.0"
# Key → hash, Key Vault's algorithm, and the contract's:
# https://github.com/notaryproject/specifications/blob/main/specs/signature-specification.md#algorithm-selection
_ALGORITHMS = {
    "RSA-2048": ("sha256", "PS256", "RSASSA-PSS-SHA-256"),
    "RSA-3072": ("sha384", "PS384", "RSASSA-PSS-SHA-384"),
    "RSA-4096": ("sha512", "PS512", "RSASSA-PSS-SHA-512"),
    "EC-256": ("sha256", "ES256", "ECDSA-SHA-256"),
    "EC-384": ("sha384", "ES384", "ECDSA-SHA-384"),
    "EC-521": ("sha512", "ES512", "ECDSA-SHA-512"),
}
_DIGEST = re.compile(rb'"digest"\s*:\s*"([a-z0-9]+:[0-9a-f]{32,})"')
_METADATA = {
    "name": PLUGIN_NAME,
    "description": "Signs with a key of Azure Key Vault for s3c",
    "version": __version__,
    "url": "https://notaryproject.dev",
    "supportedContractVersions": [CONTRACT],
    "capabilities": ["SIGNATURE_GENERATOR.RAW"],
}


class Plugin(msgspec.Struct):
    """An installed plugin.

    Attributes:
        libexec: the folder in which notation finds it.
        failures: digest → why it was not signed, independent of notation's own message. Images are signed at once, and
            each has its own.
    """

    libexec: Path
    failures: dict[str, S3CError] = {}


class _Refused(Exception):
    """A request that breaks the contract."""


@contextmanager
def open_plugin(vault: Vault, certificate: VaultCertificate, temp: Path) -> Iterator[Plugin]:
    """Provide a plugin that signs with the key of a vault's certificate, while the context lasts.

    Args:
        vault: signs.
        certificate: its key signs; it obeys the rules for signing certificates.
        temp: parent of the plugin's folder, which is removed in the end.
    """
    with tempdir.open_run_folder(sockets.socket_folder(temp)) as folder:
        plugin = Plugin(libexec=folder)
        socket = folder / "socket"
        signer = _Signer(vault, certificate)
        _write_executable(folder / "plugins" / PLUGIN_NAME / f"notation-{PLUGIN_NAME}", socket, signer.known)
        vault.warm_up()

        def answer(command: str, request: bytes) -> tuple[str, dict[str, Any]]:
            document: Any = {}
            try:
                document = reading.parse_json(request or b"{}")
                return "answer", signer.answer(command, document)
            except S3CError as error:
                plugin.failures[_signed_digest(document)] = error
                return _error_answer("ACCESS_DENIED", error.what)
            except (_Refused, ValueError, KeyError, TypeError) as error:
                return _error_answer("VALIDATION_ERROR", f"{type(error).__name__}: {error}")

        with _serve(socket, answer):
            yield plugin


def _signed_digest(request: dict[str, Any]) -> str:
    """Return the digest of the image that a request to sign is about; empty when it names none.

    https://github.com/notaryproject/specifications/blob/v1.1.0/specs/signature-specification.md#payload
    """
    try:
        # What is to be signed has the payload as its last part: a JWS encodes it, a COSE message holds it as it is.
        content = base64.b64decode(request["payload"], validate=True)
        if match := _DIGEST.search(content):
            return match[1].decode()
        encoded = content.rpartition(b".")[2]
        match = _DIGEST.search(base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)))
    except (ValueError, KeyError, TypeError):
        return ""
    return match[1].decode() if match else ""


def _error_answer(code: str, message: str) -> tuple[str, dict[str, Any]]:
    return "error", {"errorCode": code, "errorMessage": message}


def _write_executable(path: Path, socket: Path, answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the plugin, a shell script that answers known commands itself: three starts of Python are slow.

    Args:
        path: of the program.
        socket: receives all other commands.
        answers: command → its answer.
    """
    path.parent.mkdir(parents=True)
    client = Path(__file__).with_name("plugin_client.py")
    cases = "".join(
        f"{command}) cat >/dev/null; printf %s {shlex.quote(json.dumps(answer))};;\n"
        for command, answer in answers.items()
    )
    client_command = shlex.join([sys.executable, "-I", "-S", str(client), str(socket)])
    path.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}*) exec {client_command} "$@";;\nesac\n', encoding="utf-8")
    path.chmod(0o700)


@contextmanager
def _serve(path: Path, answer: Callable[[str, bytes], tuple[str, dict[str, Any]]]) -> Iterator[None]:
    """Serve a socket: a request is a line with the command, then the contract's; an answer is one with its kind."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            command, _, request = self.rfile.read().partition(b"\n")
            kind, document = answer(command.decode(errors="replace"), request)
            self.wfile.write(f"{kind}\n{json.dumps(document)}".encode())

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Signer:
    """Answers the plugin contract's commands.

    Attributes:
        known: the answers that do not depend on the request, as the plugin has one key: command → answer.
    """

    def __init__(self, vault: Vault, certificate: VaultCertificate) -> None:
        self._vault, self._certificate = vault, certificate
        self._spec = certificate_rules.key_spec(certificate.chain[0], "vault-certificate")
        self.known: Mapping[str, Mapping[str, Any]] = {
            "get-plugin-metadata": _METADATA,
            "describe-key": {"keyId": certificate.key_id, "keySpec": self._spec},
        }

    def answer(self, command: str, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("contractVersion") != CONTRACT:
            raise _Refused(f"contract version {request.get('contractVersion')} is not {CONTRACT}")
        if request.get("keyId") != self._certificate.key_id:
            raise _Refused(f"the key {request.get('keyId')} is not this plugin's")
        if command == "generate-signature":
            return self._sign(base64.b64decode(request["payload"], validate=True))
        raise _Refused(f"{command} is no command of this plugin")

    def _sign(self, payload: bytes) -> dict[str, Any]:
        hashed, algorithm, algorithm_name = _ALGORITHMS[self._spec]
        signed = self._vault.sign(self._certificate, algorithm, hashlib.new(hashed, payload).digest())
        return {
            "keyId": self._certificate.key_id,
            "signature": base64.b64encode(signed).decode(),
            "signingAlgorithm": algorithm_name,
            "certificateChain": [
                base64.b64encode(link.public_bytes(serialization.Encoding.DER)).decode()
                for link in self._certificate.chain
            ],
        }
