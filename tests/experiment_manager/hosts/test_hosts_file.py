from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.experiment_manager.hosts.host import Role, read_hosts

GOOD = """\
edge:
  role: server
  root: /srv/moonjelly
  address: edge.example.org
  user: me
  key: {key}
  known_hosts: {known}
  python: /opt/moonjelly/.venv/bin/python
  listen: 10.0.0.5
  insecure: true
street:
  role: clients
  root: /tmp/moonjelly
"""


@pytest.fixture
def good(tmp_path: Path) -> str:
    for name in ("key", "known"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    return GOOD.format(key=tmp_path / "key", known=tmp_path / "known")


def test_hosts_are_read_with_this_machine_where_no_address_is_given(
    tmp_path: Path, good: str
) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(good)
    edge, street = read_hosts(path)
    assert (edge.name, edge.role, edge.port, edge.listen) == ("edge", Role.SERVER, 22, "10.0.0.5")
    assert not edge.is_here
    assert (street.role, street.is_here) == (Role.CLIENTS, True)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("role: server", "role: boss", ":2: edge.role: 'boss': must be 'server' or 'clients'"),
        ("role: server", "rol: server", ":2: edge.rol: no such option; did you mean role?"),
        ("role: clients", "role: server", ": has 2 hosts of role server and 0 of role clients"),
        ("root: /srv/moonjelly", "root: srv", ":3: edge.root: 'srv': must be an absolute path"),
        ("root: /srv/moonjelly", "root: /srv/../etc", ":3: edge.root: '/srv/../etc': must be"),
        ("  root: /tmp/moonjelly\n", "", ":11: street.root: is missing"),
        ("edge.example.org", "'-oProxyCommand=x'", ":4: edge.address: '-oProxyCommand=x': must"),
        ("user: me", "user: 'me; rm'", ":5: edge.user: 'me; rm': must be a user name"),
        ("  user: me\n", "", ":1: edge.user: must be given"),
        ("  user: me\n", "  user: me\n  port: 0\n", ":6: edge.port: 0: must be 1 to 65535"),
        ("insecure: true", "insecure: false", ":9: edge.listen: '10.0.0.5': others can reach it"),
        ("  listen: 10.0.0.5\n  insecure: true\n", "", ":1: edge.listen: must be given where street"),
        ("root: /tmp/moonjelly", "root: /tmp/m\n  user: me", ":14: street.user: is for hosts with"),
        ("root: /tmp/moonjelly", "root: /tmp/m\n  listen: a.b", ":14: street.listen: 'a.b': is for the se"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_line_key_and_rule(
    tmp_path: Path, good: str, old: str, new: str, complaint: str
) -> None:
    assert old in good
    path = tmp_path / "hosts.yaml"
    path.write_text(good.replace(old, new))
    with pytest.raises(UsageError) as caught:
        read_hosts(path)
    assert f"hosts.yaml{complaint}" in str(caught.value)


def test_host_keys_must_be_known_and_the_users_key_private(tmp_path: Path, good: str) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(good.replace(f"  known_hosts: {tmp_path / 'known'}\n", ""))
    with pytest.raises(UsageError, match=r"edge\.known_hosts: must be given"):
        read_hosts(path)
    path.write_text(good)
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(UsageError, match=r"edge.key: .*: others may use it; chmod 600"):
        read_hosts(path)
    (tmp_path / "key").unlink()
    with pytest.raises(UsageError, match=r"edge.key: .*: must be a file that can be read"):
        read_hosts(path)
