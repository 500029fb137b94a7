"""Models of vehicles, one kind a module."""

from typing import Final

from .bus import bus
from .car import car
from .motorcycle import motorcycle
from .truck import truck

BUILDERS: Final = (car, bus, truck, motorcycle)
"""One for each class, in the order of the class ids."""

__all__ = ["BUILDERS"]
