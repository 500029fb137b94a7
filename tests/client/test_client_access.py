from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.client import connect
from moonjelly.client.access import Access, access_of
from moonjelly.core.errors import UsageError


def test_a_token_comes_from_the_environment_if_it_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOONJELLY_TOKEN", "secret")
    assert access_of(None, "").metadata == (("authorization", "Bearer secret"),)
    assert access_of("other", "").metadata == (("authorization", "Bearer other"),)
    assert access_of("", "").metadata == ()
    monkeypatch.delenv("MOONJELLY_TOKEN")
    assert access_of(None, "").metadata == ()


def test_a_token_is_in_no_text() -> None:
    assert "secret" not in repr(Access("secret"))


def test_a_token_does_not_travel_in_the_clear_to_another_host(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="token: would travel unencrypted to another host"):
        connect("10.0.0.5:10001", token="secret")
    connect("127.0.0.1:10001", token="secret")
    connect("[::1]:10001", token="secret")
    connect("localhost:10001", token="secret")
    connect("10.0.0.5:10001", token="secret", ca="public")
    connect("10.0.0.5:10001", token="")


@pytest.mark.parametrize("token", ["a b", "a\n", "ü", "x" * 513])
def test_what_no_header_can_carry_is_no_token(token: str) -> None:
    with pytest.raises(
        ValueError, match="token: must be at most 512 printable characters"
    ) as error:
        connect(token=token)
    assert token not in str(error.value)


def test_certificates_that_cannot_be_read_are_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=r"ca=.*none.pem: cannot be read"):
        connect(ca=str(tmp_path / "none.pem"))
    path = tmp_path / "some.pem"
    path.write_text("no certificate")
    with pytest.raises(UsageError, match=rf"ca={path}: must be certificates in PEM"):
        connect(ca=str(path))
