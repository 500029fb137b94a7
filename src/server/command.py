"""`moonjelly serve`."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import logging
import os
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

from ..core.errors import RunError, UsageError
from ..devices.discovery import check_cores, find_devices
from ..zoos import ServedCopy, copy_zoo, number_gpus_by_place, open_zoo
from ..zoos.homes import user_folder
from .config import ServerConfig
from .config_flags import add_config_flags, config_from_flags
from .governor.energy_sources import find_energy
from .log import set_up_log
from .preparing import prepare
from .running_server import LOGS_INFIX, READY_PREFIX, STOP_WITH_PARENT
from .supervisor.supervisor import Supervisor
from .zoo import zoo_for

ENERGY_PREFIX = "moonjelly: energy: "

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `moonjelly serve`."""
    add_config_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit status."""
    parent = os.getppid()  # first of all: it may end at any time
    number_gpus_by_place()
    config = with_devices(config_from_flags(arguments))
    set_up_log("supervisor", config.log_level)
    if config.unprotected:
        _log.warning("%s can be reached by others, without %s", config.host, config.unprotected)
    config = _with_out_dir(config)
    stop_with = parent if os.environ.get(STOP_WITH_PARENT) else None
    energy = find_energy(prepare(config), config.devices)
    with closing(ServedCopy()) as copy:
        served = dataclasses.replace(config, zoo=copy_zoo(open_zoo(config.zoo), copy.folder))
        return Supervisor(
            served,
            partial(_tell_serving, config.out_dir, energy.text),
            stop_with=stop_with,
            zoo=config.zoo,
            has_governor=energy.needs_governor,
        ).run()


def with_devices(config: ServerConfig) -> ServerConfig:
    """Fills in the devices of this machine, and the zoo that suits them, where none are named.

    Raises:
        UsageError: if a device is not there, or shares a core.
    """
    try:
        found = dataclasses.replace(config, devices=config.devices or find_devices())
        check_cores(found.devices)
    except ValueError as error:
        raise UsageError(f"devices: {error}") from None
    return dataclasses.replace(found, zoo=zoo_for(found.zoo, found.devices))


def _with_out_dir(config: ServerConfig) -> ServerConfig:
    """Makes the folder for run logs; one that nobody named is no reason not to serve."""
    if config.no_logs:
        return config
    state = user_folder("XDG_STATE_HOME", ".local/state")
    usual = str(state / "moonjelly" / str(config.port)) if state else ""
    out_dir = config.out_dir or usual
    try:
        if not out_dir:
            raise FileNotFoundError(errno.ENOENT, "there is no home")
        Path(out_dir).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out_dir):
            pass  # it can be written; what comes later must not keep anybody from serving
    except OSError as error:
        if config.out_dir:
            raise RunError(f"out_dir={out_dir}: {error.strerror}") from error
        _log.warning("no run logs: out_dir=%s: %s", out_dir, error.strerror)
        return config
    return dataclasses.replace(config, out_dir=out_dir)


def _tell_serving(out_dir: str, energy: str, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    try:
        logs = f"{LOGS_INFIX}{out_dir}" if out_dir else ""
        sys.stdout.write(f"{READY_PREFIX}{shown}:{port}{logs}\n{ENERGY_PREFIX}{energy}\n")
        sys.stdout.flush()
    except OSError as error:  # nobody reads it, or the disk is full; that is no reason not to serve
        _log.warning("standard output: %s; serving at %s:%d", error.strerror, shown, port)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
