from __future__ import annotations

import subprocess
import sys

CODE = """
import resource, sys
from moonjelly.core.open_files import allow_many_open_files

soft, hard = (int(one) for one in sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(allow_many_open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limits(soft, hard):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(soft), str(hard)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return tuple(int(word) for word in done.stdout.split())


def test_the_soft_limit_becomes_the_hard_one():
    assert limits(256, 700) == (700, 700, 700)


def test_a_limit_that_is_high_enough_stays():
    assert limits(700, 700) == (700, 700, 700)
