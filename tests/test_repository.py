"""What holds for the repository as a whole."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import moonjelly

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for path in (ROOT / "src").rglob("*.py") if path.parent != ROOT / "src" / "protos"
)
CODE_LOADERS = {"pickle", "marshal", "shelve", "dill", "joblib"}  # loading these runs code


def test_generated_code_is_current() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "protos/generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_the_version_stands_in_one_place_and_in_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == moonjelly.__version__
    assert re.search(
        r"^## \[(Unreleased|" + re.escape(moonjelly.__version__) + r")\]",
        (ROOT / "CHANGELOG.md").read_text(),
        re.M,
    )


def test_every_module_imports() -> None:
    for module in pkgutil.walk_packages(moonjelly.__path__, "moonjelly."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_nobody_is_told_to_install_us_from_an_index() -> None:
    told = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (*SOURCES, *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"))
        for line in path.read_text().splitlines()
        if re.search(r"pip3? install [^`]*\bmoonjelly\b", line)
    ]
    assert told == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_loads_data_that_can_carry_code(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "yaml.load"}, f"line {node.lineno}"
            options = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert called != "torch.load" or options.get("weights_only") == "True", (
                f"line {node.lineno}"
            )
            assert not any(word.arg == "allow_pickle" for word in node.keywords), (
                f"line {node.lineno}"
            )
        assert not {name.split(".")[0] for name in names} & CODE_LOADERS


def test_the_readme_names_only_targets_and_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"\bmake ([a-z]+)", readme))
    assert {"demo", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target
    for link in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / link).exists(), link


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_every_test_that_the_documents_name_exists() -> None:
    names = re.compile(r"\b(tests/[\w/]+\.py)(?:::(\w+))?")
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for path, test in names.findall(document.read_text()):
            assert (ROOT / path).is_file(), f"{document.name}: {path}"
            assert f"def {test}(" in (ROOT / path).read_text() or not test, f"{path}::{test}"


def test_every_module_that_tells_of_reliability_exists() -> None:
    for path in re.findall(r"`(src/[\w/.]+)`", (ROOT / "docs/reliability.md").read_text()):
        assert (ROOT / path).exists(), path


def test_every_setting_of_the_lock_is_pinned() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert (
            not line
            or line.startswith("#")
            or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)
        ), line
