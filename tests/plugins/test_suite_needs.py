from __future__ import annotations

import pytest
import suite_needs
from suite_needs import NEEDS, Need

pytest_plugins = ["pytester"]

TESTS = {
    "plain": "def test_it(): pass",
    "may_be_missing": "import pytest\n@pytest.mark.gpu\ndef test_it(): assert False",
    "has_to_be_there": "import pytest\n@pytest.mark.network\ndef test_it(): assert False",
    "says_it_is_cuda": "import pytest\ndef test_it(): pytest.skip('needs a CUDA device')",
    "skips_in_a_marked_test": "import pytest\n@pytest.mark.reference\ndef test_it(): pytest.skip('no')",
    "skipif": "import pytest\n@pytest.mark.skipif(True, reason='x')\ndef test_it(): assert False",
    "expected_failure": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False",
    "importorskip": "import pytest\npytest.importorskip('no_such_module')\ndef test_it(): pass",
}


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Runs a test where there is reference data, and neither CUDA nor a right to make namespaces."""
    is_met = {"reference": True, "gpu": False, "network": False}
    monkeypatch.setattr(suite_needs, "is_met", is_met.__getitem__)

    def run(name: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(TESTS[name])
        return pytester.runpytest_inprocess(
            "-p", "suite_needs", "-p", "no:asyncio", "-rs", *options
        )

    return run


@pytest.mark.parametrize("name", TESTS)
def test_a_user_is_told_why_a_test_is_skipped(run, name: str) -> None:
    result = run(name)
    assert result.ret in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    if name in {"may_be_missing", "has_to_be_there"}:
        marker = "gpu" if name == "may_be_missing" else "network"
        result.stdout.fnmatch_lines([f"SKIPPED*needs {NEEDS[marker].what}"])


@pytest.mark.parametrize("name", TESTS)
def test_ci_fails_what_is_skipped_unless_its_need_may_be_missing(run, name: str) -> None:
    result = run(name, "--strict-skips")
    if name in {"plain", "may_be_missing"}:
        assert result.ret == pytest.ExitCode.OK
    else:
        assert result.ret in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED}
        result.stdout.fnmatch_lines(["*only a need that may be missing excuses a test in CI*"])


def test_only_cuda_kernel_features_and_reference_data_may_be_missing() -> None:
    def is_excused(need: Need) -> bool:
        return need.what.startswith(("a CUDA device", "a kernel with", "reference data"))

    assert {name for name, need in NEEDS.items() if need.may_be_missing} == {
        name for name, need in NEEDS.items() if is_excused(need)
    }


def test_reference_data_is_there_if_its_folder_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOONJELLY_REFERENCE", raising=False)
    assert not NEEDS["reference"].is_met()
    monkeypatch.setenv("MOONJELLY_REFERENCE", "/somewhere")
    assert NEEDS["reference"].is_met()
