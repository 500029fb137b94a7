"""Makes `src/protos/*_pb2*.py` from `protos/*.proto`; with `--check`, tells whether they are current."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

SOURCES = Path(__file__).resolve().parent
TARGET = SOURCES.parent / "src" / "protos"
WITH_SERVICES = ("efair.proto", "serving.proto")
PACKAGE = "moonjelly/protos"  # where Python finds the result, so that its imports are right


def generate(folder: Path) -> dict[str, bytes]:
    """Returns the generated files, name to content."""
    names = sorted(path.name for path in SOURCES.glob("*.proto"))
    status = protoc.main(
        [
            "protoc",
            f"-I{PACKAGE}={SOURCES}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
            *(f"{PACKAGE}/{name}" for name in names),
        ]
    )
    status = status or protoc.main(
        [
            "protoc",
            f"-I{PACKAGE}={SOURCES}",
            f"--grpc_python_out={folder}",
            *(f"{PACKAGE}/{name}" for name in WITH_SERVICES),
        ]
    )
    if status:
        sys.exit(status)
    return {path.name: path.read_bytes() for path in sorted((folder / PACKAGE).iterdir())}


def main() -> int:
    """Writes the files, or compares them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 if not current")
    is_check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        files = generate(Path(folder))
    if is_check:
        stale = [
            name
            for name, content in files.items()
            if not (TARGET / name).is_file() or (TARGET / name).read_bytes() != content
        ]
        if stale:
            sys.stderr.write(f"not current: {', '.join(stale)}; run `make protos`\n")
        return 1 if stale else 0
    TARGET.mkdir(exist_ok=True)
    for name, content in files.items():
        (TARGET / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
