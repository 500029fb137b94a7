"""Signals that end a command, and those that must not."""

from __future__ import annotations

import signal

import pytest

from moonjelly.files.process import leave_at_sigterm


@pytest.fixture
def sigterm():
    previous = signal.getsignal(signal.SIGTERM)
    yield lambda handler: signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGTERM, previous)


def test_sigterm_ends_the_process_like_an_error(sigterm):
    sigterm(signal.SIG_DFL)
    leave_at_sigterm()
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 128 + signal.SIGTERM


def test_a_sigterm_that_was_ignored_at_the_start_stays_ignored(sigterm):
    sigterm(signal.SIG_IGN)
    leave_at_sigterm()
    signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
