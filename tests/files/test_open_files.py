"""The limit of open files, in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys

PROGRAM = """
import resource, sys
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from moonjelly.files.process import allow_many_files
assert allow_many_files() == hard == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
assert allow_many_files() == hard
"""
COMMAND = """
import resource, sys
from moonjelly import cli
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
try:
    cli.main(["client", "--help"])
except SystemExit:
    pass
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (128, 128)
"""


def test_the_soft_limit_becomes_the_hard_one():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for values in ((64, hard), (64, 100)):
        subprocess.run([sys.executable, "-c", PROGRAM, *map(str, values)], check=True)


def test_every_command_begins_with_it():
    subprocess.run([sys.executable, "-c", COMMAND], check=True, stdout=subprocess.DEVNULL)
