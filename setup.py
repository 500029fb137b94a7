"""Maps the import name `moonjelly` to the folder `src`; everything else is in pyproject.toml.

A wheel also holds the folders of data that the program reads, as `moonjelly/shipped/`.
"""

from setuptools import find_packages, setup

SHIPPED = {f"moonjelly.shipped.{name}": name for name in ("profiles", "network_shaping")}

setup(
    package_dir={"moonjelly": "src"} | SHIPPED,
    packages=["moonjelly", *(f"moonjelly.{name}" for name in find_packages("src")), *SHIPPED],
)
