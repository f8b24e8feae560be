"""Records what the real notation says, for tests/unit/programs/notation/test_notation.py. Run it as

    python -m tests.data.notation.record NOTATION

with the path of the pinned notation; it starts a registry and a time-stamp authority of its own. Temporary paths, ports
and digests of the run are replaced, so that two recordings differ only where notation does.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from s3c_actions.programs.notation.home import NotationHome, TrustPolicy
from s3c_lab.certificates import SERVER_AUTH, Identity, make, make_authority, pem
from tests.support.signing import answering, own_registry, push_image, time_stamp_authority, write_plugin

HERE = Path(__file__).parent
NOWHERE = "localhost:9"


class Recorder:
    def __init__(self, notation: str, folder: Path) -> None:
        self.notation, self.folder = notation, folder
        self.names: dict[str, str] = {str(folder): "/tmp/lab"}

    def home(self, name: str, identity: Identity | None = None) -> NotationHome:
        home = NotationHome(self.folder / "homes" / name)
        home.folder.mkdir(parents=True)
        if identity:
            home.use_files(*identity.write(home.folder, name))
        return home

    def run(self, name: str, home: NotationHome, *arguments: str, experimental: bool = False) -> None:
        extra = {"NOTATION_EXPERIMENTAL": "1"} if experimental else {}
        ended = subprocess.run(
            [self.notation, *arguments],
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **home.environment, **extra},
            capture_output=True,
            text=True,
            check=False,
        )
        command = shlex.join(["notation", *arguments])
        recording = {"command": command, "code": ended.returncode, "stdout": ended.stdout, "stderr": ended.stderr}
        (HERE / f"{name}.json").write_text(self.neutral(json.dumps(recording, indent=2)) + "\n")

    def neutral(self, text: str) -> str:
        for actual, stands_for in self.names.items():
            text = text.replace(actual, stands_for)
        text = re.sub(r"localhost:\d{4,5}", "localhost:5000", text)
        text = re.sub(r"(lookup \S+ on) \S+:53", r"\1 192.0.2.53:53", text)
        return re.sub(r"0x[0-9a-f]{8,}", "0xc000000000", text)


def main(notation: str) -> None:
    for old in HERE.glob("*.json"):
        old.unlink()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "registry").mkdir()
        with (
            own_registry(folder / "registry", Path("docker-registry")) as registry,
            time_stamp_authority(folder / "tsa") as stamps,
        ):
            record(Recorder(notation, folder), registry, stamps.url, stamps.root)


def record(to: Recorder, registry: str, tsa: str, tsa_root: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    root = make_authority("root")
    ours, stranger, chained = make("ours"), make("stranger"), make("leaf", issuer=root)
    short = make("short", end=now + timedelta(seconds=8))
    signing = {name: to.home(name, identity) for name, identity in
               {"ours": ours, "stranger": stranger, "chained": chained, "short": short}.items()}  # fmt: skip

    def image(name: str) -> str:
        return push_image(registry, f"lab/{name}", "1.0", name)

    def sign(who: str, reference: str, *more: str) -> None:
        arguments = ["sign", "--key", "s3c", "--signature-format", "cose", *more, reference]
        ended = subprocess.run(
            [to.notation, *arguments],
            env={"HOME": str(to.folder), **signing[who].environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr

    def trusting(name: str, anchors: bytes, policy: TrustPolicy | None = None, stamps: bytes = b"") -> NotationHome:
        home = to.home(name)
        home.trust(anchors, policy or TrustPolicy(identities=("*",)), stamps)
        return home

    verify = ("verify", "--verbose")
    trusting_ours = trusting("trust-ours", ours.chain_pem())

    # Accepted
    good = image("good")
    to.run("sign-good", signing["ours"], "sign", "--verbose", "--key", "s3c", "--user-metadata", "commit=1a2b", good)
    sign("stranger", good)
    to.run("verify-good", trusting_ours, *verify, good)
    to.run("inspect-good", trusting_ours, "inspect", "--output", "json", good)
    to.run("inspect-none", trusting_ours, "inspect", "--output", "json", image("unsigned"))

    # Refused
    to.run("verify-no-signature", trusting_ours, *verify, image("unsigned"))
    to.run("verify-metadata", trusting_ours, *verify, "--user-metadata", "commit=ffff", good)
    strange = image("strange")
    sign("stranger", strange)
    to.run("verify-stranger", trusting_ours, *verify, strange)
    below = image("below")
    sign("chained", below)
    identity = TrustPolicy(identities=("x509.subject: C=US, ST=WA, O=somebody else",))
    to.run("verify-identity", trusting("trust-identity", pem(root.certificate), identity), *verify, below)
    to.run("verify-leaf-anchor", trusting("trust-leaf", pem(chained.certificate)), *verify, below)
    stamped = trusting(
        "trust-stamped", ours.chain_pem(), TrustPolicy(identities=("*",), stamped=True), tsa_root.read_bytes()
    )
    to.run("verify-no-timestamp", stamped, *verify, good)
    brief = image("brief")
    sign("ours", brief, "--expiry", "2s")
    old = image("old")
    sign("short", old)
    odd = image("odd-stamp")
    sign("short", odd, "--timestamp-url", tsa, "--timestamp-root-cert", str(tsa_root))
    time.sleep(max(0.0, 10 - (datetime.now(UTC) - now).total_seconds()))
    to.run("verify-signature-expired", trusting_ours, *verify, brief)
    to.run("verify-certificate-expired", trusting("trust-short", short.chain_pem()), *verify, old)
    other_root = pem(make_authority("tsa root").certificate)
    wrong = trusting("trust-wrong-tsa", short.chain_pem(), TrustPolicy(identities=("*",), stamped=True), other_root)
    to.run("verify-timestamp-untrusted", wrong, *verify, odd)
    # No responder answers at this address, so that whether the certificate is revoked cannot be found out.
    revocable = make("revocable", issuer=root, ocsp="http://localhost:9/")
    signing["revocable"] = to.home("revocable", revocable)
    unknown = image("revocable")
    sign("revocable", unknown)
    to.run("verify-revocation-unknown", trusting("trust-root", pem(root.certificate)), *verify, unknown)

    # Wrong trust
    empty = to.home("trust-empty")
    empty.write_policy(TrustPolicy(identities=("*",)).document())
    to.run("verify-store-missing", empty, *verify, good)
    to.run("verify-policy-missing", to.home("trust-nothing"), *verify, good)
    scoped = trusting("trust-scoped", ours.chain_pem())
    document = json.loads(json.dumps(TrustPolicy(identities=("*",)).document()))
    statement = document["trustPolicies"][0]
    statement["registryScopes"] = ["registry.example/other"]
    scoped.write_policy(document)
    to.run("verify-policy-scope", scoped, *verify, good)
    changes: dict[str, dict[str, object]] = {
        "verify-policy-skip": {"signatureVerification": {"level": "skip"}, "trustStores": [], "trustedIdentities": []},
        "verify-policy-audit": {"signatureVerification": {"level": "audit"}},
        "verify-policy-level": {"signatureVerification": {"level": "lenient"}},
        "verify-policy-identity": {"trustedIdentities": ["x509.subject: CN=ours"]},
        "verify-policy-store": {"trustStores": ["s3c"]},
    }
    for name, change in changes.items():
        home = trusting(name, stranger.chain_pem())
        home.write_policy({"version": "1.0", "trustPolicies": [{**statement, "registryScopes": ["*"], **change}]})
        to.run(name, home, *verify, below if name == "verify-policy-audit" else good)

    # Keys, plugins, time-stamps
    key = ("--verbose", "--key", "s3c", "--signature-format", "cose")
    for name, identity_, config, source in (
        ("sign-plugin-denied", make("p", spec="RSA-2048"), {"tenant": "other"}, ""),
        ("sign-plugin-certificate", make("web", spec="RSA-2048", extended=(SERVER_AUTH,)), {"tenant": "lab"}, ""),
        ("sign-plugin-crash", make("p", spec="RSA-2048"), {}, "raise SystemExit('boom')\n"),
    ):
        libexec = to.folder / name
        place = libexec / "plugins" / "lab"
        write_plugin(place, identity_, source) if source else write_plugin(place, identity_)
        home = NotationHome(to.home(name).folder, libexec)
        home.use_plugin("lab", str(place), config)
        to.run(name, home, "sign", *key, good)
    absent = to.home("sign-plugin-absent")
    absent.use_plugin("absent", "id", {})
    to.run("sign-plugin-absent", absent, "sign", *key, good)
    renamed = NotationHome(to.home("sign-plugin-renamed").folder, to.folder / "renamed")
    place = to.folder / "renamed" / "plugins" / "other"
    write_plugin(place, make("p", spec="RSA-2048")).rename(place / "notation-other")
    renamed.use_plugin("other", str(place), {"tenant": "lab"})
    to.run("sign-plugin-renamed", renamed, "sign", *key, good)
    stamp = ("--timestamp-root-cert", str(tsa_root), "--timestamp-url")
    to.run("sign-timestamp-down", signing["ours"], "sign", *key, *stamp, f"http://{NOWHERE}/", good)
    with answering(500) as broken:
        to.run("sign-timestamp-500", signing["ours"], "sign", *key, *stamp, f"http://{broken}/", good)
    wrong_root = to.folder / "wrong-root.crt"
    wrong_root.write_bytes(other_root)
    stamp = ("--timestamp-url", tsa, "--timestamp-root-cert")
    to.run("sign-timestamp-untrusted", signing["ours"], "sign", *key, *stamp, str(wrong_root), good)

    # Registries
    digest = "@sha256:" + "0" * 64
    to.run("sign-absent", signing["ours"], "sign", *key, good.partition("@")[0] + digest)
    to.run("sign-registry-down", signing["ours"], "sign", *key, f"{NOWHERE}/app{digest}")
    to.run("verify-registry-down", trusting_ours, *verify, f"{NOWHERE}/app{digest}")
    to.run("verify-unknown-host", trusting_ours, *verify, f"registry.invalid/app{digest}")
    for code in (401, 403, 429, 500):
        with answering(code) as odd_registry:
            to.run(f"sign-registry-{code}", signing["ours"], "sign", *key, f"{odd_registry}/app{digest}")


if __name__ == "__main__":
    main(sys.argv[1])
