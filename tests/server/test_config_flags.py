from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.server.config import ServerConfig
from moonjelly.server.config_flags import (
    add_config_flags,
    config_from_flags,
    flag_name,
    to_arguments,
)


def config_of(*words: str) -> ServerConfig:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_config_flags(parser)
    return config_from_flags(parser.parse_args(words))


def test_without_flags_everything_is_the_default() -> None:
    assert config_of() == ServerConfig()


def test_flags_set_options() -> None:
    config = config_of(
        *("--port", "0", "--insecure", "--host", "10.0.0.1", "--plan-period-ms", "1e3"),
        *("--devices", "replayed:gpu", "cpu:0,2-3", "--variants", "a,b"),
    )
    assert (config.port, config.insecure, config.plan_period_ms) == (0, True, 1000.0)
    assert config.variants == ("a", "b")
    assert [device.device_type for device in config.devices] == ["gpu", "cpu-3cores"]
    assert config.devices[1].cores == (0, 2, 3)


def test_options_given_as_values_come_back_from_their_words() -> None:
    words = to_arguments(
        {
            "insecure": True, "plan_period_ms": 750.0, "variants": ("a", "b"),
            "devices": ("replayed:gpu", "cpu:0,2-3"), "seed": 7,
        }
    )  # fmt: skip
    config = config_of(*words)
    assert (config.insecure, config.plan_period_ms, config.seed) == (True, 750.0, 7)
    assert config.variants == ("a", "b")
    assert [device.device_type for device in config.devices] == ["gpu", "cpu-3cores"]
    assert to_arguments({"insecure": False, "variants": (), "devices": ()}) == []


def test_every_option_has_a_flag() -> None:
    parser = argparse.ArgumentParser()
    add_config_flags(parser)
    help_text = parser.format_help()
    assert all(flag_name(item.name) in help_text for item in dataclasses.fields(ServerConfig))


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "1", "--port", "2"),
        ("--insecure", "--insecure"),
        ("--por", "1"),
        ("--unknown",),
    ],
)
def test_words_that_cannot_be_read_end_with_status_2(words, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        config_of(*words)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--port", "-1"), "--port: -1"),
        (("--port", "65536"), "--port: 65536"),
        (("--port", "abc"), "--port: 'abc': must be a whole number"),
        (("--port", "1e3"), "--port: 1000.0: must be a whole number"),
        (("--port", ""), "--port: '': must be a whole number"),
        (("--port", "1_0"), "--port: '1_0': must be a whole number"),
        (("--port", "٣"), "--port: '\\u0663': must be a whole number"),
        (("--plan-period-ms", "fast"), "--plan-period-ms: 'fast': must be a number"),
        (("--plan-period-ms", "1_0"), "--plan-period-ms: '1_0': must be a number"),
        (("--plan-period-ms", "nan"), "--plan-period-ms: 'nan': must be a number"),
        (("--plan-period-ms", "inf"), "--plan-period-ms: 'inf': must be a number"),
        (("--plan-period-ms", "1e400"), "--plan-period-ms: '1e400': must be a finite number"),
        (("--endpoints", "0"), "--endpoints: 0"),
        (("--host", "10.0.0.1"), "--host: '10.0.0.1'"),
        (("--devices", "cuda:-1"), "--devices: 'cuda:-1'"),
        (("--devices", "cpu:a"), "--devices: 'cpu:a'"),
        (("--devices", "replayed:"), "--devices: device_type="),
        (("--log-level", "bogus"), "--log-level: 'bogus'"),
        (("--config", "/no/such/file"), "/no/such/file: cannot be read"),
    ],
)
def test_values_that_break_a_rule_are_named_with_their_flag(words, message) -> None:
    with pytest.raises(UsageError) as caught:
        config_of(*words)
    assert str(caught.value).startswith(message)


def test_a_flag_mends_what_the_file_has_wrong(tmp_path: Path) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("port: 70000\n")
    assert config_of("--config", str(file), "--port", "0").port == 0
    with pytest.raises(UsageError, match=f"{file}:1: port: 70000"):
        config_of("--config", str(file))
