from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.cli import main
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


def test_a_certificate_of_ones_own_needs_its_key_and_tls(tmp_path: Path) -> None:
    for given, complaint in (
        ({"certificate": "a.pem"}, "key: must be given with certificate"),
        ({"key": "a.pem"}, "certificate: must be given with key"),
        ({"certificate": "a.pem", "key": "b.pem"}, "ca: must be given with certificate"),
        ({"certificate": "a\0", "key": "b.pem", "ca": "public"}, "must be a file"),
    ):
        with pytest.raises(ValueError, match=complaint):
            connect(**given)
    with pytest.raises(UsageError, match=r"certificate=.*none.pem: cannot be read"):
        connect(ca="public", certificate=str(tmp_path / "none.pem"), key="b.pem")
    assert main(["certificate", "camera", "--out", str(tmp_path)]) == 0
    files = [str(tmp_path / name) for name in ("certificate.pem", "key.pem")]
    connect("10.0.0.5:10001", ca=files[0], certificate=files[0], key=files[1])
    with pytest.raises(UsageError, match=r"^key=.*certificate.pem: must be a key in PEM"):
        connect(ca="public", certificate=files[0], key=files[0])
