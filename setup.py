"""Maps the import name `moonjelly` to the folder `src`; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    package_dir={"moonjelly": "src"},
    packages=["moonjelly", *(f"moonjelly.{name}" for name in find_packages("src"))],
)
