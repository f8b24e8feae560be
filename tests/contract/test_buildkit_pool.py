"""A pool of real BuildKits with the certificates and settings that `s3c fleet manifests` writes."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.fleet import pool_certificates, pool_manifests
from s3c_actions.fleet.pool_certificates import PoolCertificates
from s3c_actions.programs.buildkit import buildkit
from s3c_actions.programs.buildkit.buildkit import TlsFiles
from s3c_actions.programs.buildkit.pool import Pool, order
from s3c_actions.programs.install.pins import BUILDKITD
from s3c_lab.registry_server import free_port
from tests.support.scanning import program

RUNNER = Runner(dict(os.environ))
BASE = f"sha256:{'b' * 64}"


def files(issued: PoolCertificates, folder: Path) -> TlsFiles:
    """The files that a worker has."""
    folder.mkdir(exist_ok=True)
    contents = {"ca": issued.authority, "certificate": issued.client_certificate, "key": issued.client_key}
    paths = {name: folder / f"{name}.pem" for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    return TlsFiles(**paths)


@contextmanager
def serving(folder: Path, issued: PoolCertificates, port: int) -> Iterator[None]:
    """A BuildKit with the arguments and the settings of the pool's Pods."""
    folder.mkdir(exist_ok=True)
    server = {"ca.crt": issued.authority, "tls.crt": issued.server_certificate, "tls.key": issued.server_key}
    for name, content in server.items():
        (folder / name).write_bytes(content)
    (folder / "buildkitd.toml").write_text(pool_manifests.CONFIGURATION)
    argv: list[str | Path] = [program(BUILDKITD), f"--config={folder}/buildkitd.toml", f"--addr=tcp://127.0.0.1:{port}"]
    argv += [f"--tlscacert={folder}/ca.crt", f"--tlscert={folder}/tls.crt", f"--tlskey={folder}/tls.key"]
    argv += [f"--root={folder}/state", f"--otel-socket-path={folder}/otel.sock"]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while "running server" not in (folder / "log").read_text():
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(120)


@pytest.fixture(scope="module")
def issued() -> PoolCertificates:
    return pool_certificates.issue(["localhost"], datetime.now(UTC), timedelta(days=1))


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose sockets have short paths."""
    return tmp_path_factory.mktemp("p")


def test_a_pool_answers_those_with_its_certificates_alone(issued: PoolCertificates, short: Path) -> None:
    tls, port = files(issued, short / "worker"), free_port()
    address = f"tcp://localhost:{port}"
    with serving(short / "0", issued, port):
        buildkit.check(address, tls, RUNNER)
        with pytest.raises(OutsideError, match="refused the connection by TLS"):
            buildkit.check(address, TlsFiles(ca=tls.ca), RUNNER)
        other = files(pool_certificates.issue(["localhost"], datetime.now(UTC), timedelta(days=1)), short / "other")
        with pytest.raises(OutsideError, match="certificate that is not trusted"):
            buildkit.check(address, other, RUNNER)
        with pytest.raises(OutsideError, match="refused the connection by TLS"):
            buildkit.check(address, TlsFiles(ca=tls.ca, certificate=other.certificate, key=other.key), RUNNER)
        with pytest.raises(OutsideError, match="certificate that is not trusted"):
            buildkit.check(f"tcp://127.0.0.1:{port}", tls, RUNNER)
        with pytest.raises(InputError, match="buildkit-certificate"):
            buildkit.check(address, TlsFiles(ca=tls.ca, certificate=tls.certificate, key=other.key), RUNNER)
        with pytest.raises(OutsideError, match="wants TLS"):
            buildkit.check(address, TlsFiles(), RUNNER)


def test_a_base_goes_to_the_next_while_its_own_is_down(issued: PoolCertificates, short: Path) -> None:
    tls, ports = files(issued, short / "worker"), (free_port(), free_port())
    addresses = {f"tcp://localhost:{port}": port for port in ports}
    first, second = order([*addresses], BASE)
    pool = Pool([*addresses], tls, RUNNER, Silent())
    with serving(short / "2", issued, addresses[second]):
        with ExitStack() as lived:
            lived.enter_context(serving(short / "1", issued, addresses[first]))
            assert pool.build(BASE, str) == first

            def loses(address: str) -> str:
                if address == first:
                    lived.close()
                    raise OutsideError("Copa lost its connection.")
                return address

            assert pool.build(BASE, loses) == second
        assert pool.build(BASE, str) == second
        with serving(short / "1", issued, addresses[first]):
            assert pool.build(BASE, str) == first
    with pytest.raises(OutsideError, match="None of the 2 BuildKits answered"):
        pool.build(BASE, str)
