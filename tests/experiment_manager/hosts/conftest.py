"""An SSH server of the test's own on a port of loopback; the one of the system is left alone."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from free_ports import free_port
from suite_needs import find_sshd

SSHD = find_sshd()
START_LIMIT_S = 60.0


class SshServer:
    """A real sshd with keys of its own.

    Attributes:
        port: where it listens on loopback.
        key: private key that it accepts.
        known_hosts: file with its own public key.
    """

    def __init__(self, folder: Path) -> None:
        self.key = folder / "user_key"
        self.known_hosts = folder / "known_hosts"
        self._folder = folder
        self.port = free_port()
        for name in ("user_key", "host_key"):
            make_key(folder / name)
        public = (folder / "host_key.pub").read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {folder / 'host_key'}\n"
            f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPidFile none\nStrictModes no\n"
            "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
        )
        if os.getuid() == 0:  # sshd wants it, and the system makes it only when it starts its own
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        assert SSHD is not None
        with (self._folder / "sshd.log").open("a") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self._folder / "sshd_config")], stderr=log
            )
        limit_s = time.monotonic() + START_LIMIT_S
        while not self._listens():
            assert self._process.poll() is None, (self._folder / "sshd.log").read_text()
            assert time.monotonic() < limit_s, "sshd does not listen"
            time.sleep(0.02)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def signal(self, signum: int) -> None:
        """Sends a signal to it and to the sessions that it has, not to what they run."""
        for one in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # a session that has just ended
                if one.name().startswith("sshd"):
                    one.send_signal(signum)
        self._process.send_signal(signum)

    def kill(self) -> None:
        """The host dies, as far as SSH goes."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Ends it."""
        if self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()


def make_key(path: Path) -> None:
    """Makes a pair of keys."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@pytest.fixture
def ssh_server(tmp_path: Path) -> Iterator[SshServer]:
    """A running SSH server; for tests with the marker `ssh_server`."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    server = SshServer(folder)
    yield server
    server.stop()


@pytest.fixture
def hosts_file(tmp_path: Path, ssh_server: SshServer) -> Path:
    """A hosts file: a server and a host for cameras, both behind that SSH server."""
    path = tmp_path / "hosts.yaml"
    path.write_text(
        "".join(
            f"{name}:\n  role: {role}\n  address: 127.0.0.1\n  port: {ssh_server.port}\n"
            f"  user: {getpass.getuser()}\n  key: {ssh_server.key}\n"
            f"  known_hosts: {ssh_server.known_hosts}\n  python: {sys.executable}\n"
            f"  root: {tmp_path / 'there'}\n"
            for name, role in (("edge", "server"), ("street", "clients"))
        )
    )
    return path
