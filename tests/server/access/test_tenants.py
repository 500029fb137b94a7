from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.cli import main
from moonjelly.core.errors import UsageError
from moonjelly.scheduling.limits import LimitTable
from moonjelly.server.access.doorkeeper import Doorkeeper
from moonjelly.server.access.tenants import hash_of, read_tenants

NORTH, SOUTH = hash_of("north's"), hash_of("south's")
FILE = f"""tenants:
  - name: north
    token_sha256: {NORTH}
  - name: south
    token_sha256: {SOUTH}
"""


def door(path: str) -> Doorkeeper:
    return Doorkeeper(path, LimitTable(), lambda: 0.0)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("user-agent", "x"), ("authorization", f"Bearer {token}"))


def test_a_tenant_is_found_by_its_token(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(FILE)
    tenants = read_tenants(str(path))
    assert [tenants.find(f"{name}'s") for name in ("north", "south", "east")] == [
        "north",
        "south",
        None,
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (FILE.replace("south\n", "north\n"), "tenants: name north is there twice"),
        (FILE.replace(SOUTH, NORTH), f"tenants: token_sha256 {NORTH} is there twice"),
        (FILE.replace(SOUTH, SOUTH.upper()), ":5: tenants[1].token_sha256: "),
        (FILE.replace(SOUTH, "south's"), "must be 64 of 0-9a-f; `moonjelly tenant` makes one"),
        (FILE.replace("south\n", "so uth\n"), ":4: tenants[1].name: 'so uth'"),
        (FILE.replace("south\n", "no/rth\n"), ":4: tenants[1].name: 'no/rth'"),
        (FILE.replace("token_sha256", "token"), "tenants[0].token: no such option"),
        (FILE.replace(f"    token_sha256: {SOUTH}\n", ""), "tenants[1].token_sha256: is missing"),
        (FILE + "    max_streams: 0\n", ":6: tenants[1].max_streams: 0: must be a whole number of"),
        (
            FILE + "    max_streams: 1.5\n",
            ":6: tenants[1].max_streams: 1.5: must be a whole number",
        ),
        (FILE + "    max_fps: -1\n", ":6: tenants[1].max_fps: -1.0: must be a number above 0"),
        (
            FILE + "    weight: 0\n",
            ":6: tenants[1].weight: 0: must be a whole number of at least 1",
        ),
        (FILE + "    priority: -21\n", ":6: tenants[1].priority: -21: must be within -20..19"),
        (FILE + "    priority: 1\n    weight: 5\n", "weight: 5: must not stand beside priority"),
        (FILE + "    min_fps: 0\n", ":6: tenants[1].min_fps: 0.0: must be a number above 0"),
        (FILE + "    min_share_ratio: 1.5\n", ":6: tenants[1].min_share_ratio: 1.5: must be a"),
        (
            FILE.replace(NORTH, f"{NORTH}\n    min_share_ratio: 0.6")
            + "    min_share_ratio: 0.5\n",
            "tenants: min_share_ratio: 1.1 in all: must be at most 1",
        ),
        ("tenants: []\n", "tenants: must be 1 to 1000"),
        ("{}\n", "tenants: is missing"),
        ("- a\n", ":1: must be a mapping"),
    ],
)
def test_a_broken_file_is_refused_by_line_field_value_and_rule(
    text: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"^tenants={path}") as error:
        read_tenants(str(path))
    assert complaint in str(error.value)


def test_without_tenants_everybody_is_the_default_one() -> None:
    assert door("").tenant_of(None) == "local"
    assert door("").tenant_of(bearer("whatever")) == "local"


def test_with_tenants_nobody_comes_in_without_one_token(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(FILE)
    doorkeeper = door(str(path))
    assert doorkeeper.tenant_of(bearer("north's")) == "north"
    for metadata in (
        None,
        (),
        bearer(""),
        bearer("north"),
        bearer(NORTH),
        (("authorization", "north's"),),
        (("authorization", "Basic north's"),),
        (("authorization", b"Bearer north's"),),
        (*bearer("north's"), *bearer("south's")),
    ):
        assert doorkeeper.tenant_of(metadata) is None


def test_a_file_is_read_again_when_told_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(FILE)
    doorkeeper = door(str(path))
    path.write_text(FILE.replace(SOUTH, hash_of("new")))
    assert doorkeeper.tenant_of(bearer("south's")) == "south"
    doorkeeper.reread()
    assert doorkeeper.tenant_of(bearer("south's")) is None
    assert doorkeeper.tenant_of(bearer("new")) == "south"
    path.write_text("tenants: 5\n")
    doorkeeper.reread()
    assert doorkeeper.tenant_of(bearer("new")) == "south"
    path.unlink()
    doorkeeper.reread()
    assert doorkeeper.tenant_of(bearer("new")) == "south"


def test_the_command_shows_a_token_once_and_the_entry_that_knows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tenant", "north"]) == 0
    shown = capsys.readouterr()
    token = shown.err.split()[-1]
    assert token not in shown.out
    path = tmp_path / "tenants.yaml"
    path.write_text("tenants:\n" + shown.out)
    assert read_tenants(str(path)).find(token) == "north"
    assert main(["tenant", "no/rth"]) == 2
    assert "name='no/rth'" in capsys.readouterr().err
