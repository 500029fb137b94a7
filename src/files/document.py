"""What a file or a command line says, read as the type that is wanted.

Types are dataclasses, tuples, mappings, enumerations and plain values. Values check themselves: a
`ValueError` that begins with `field=` becomes an error at that field's place.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_type_hints

from ..core.checks import echo
from ..core.errors import UsageError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError
    from pydantic_core import CoreSchema

T = TypeVar("T")
Place = tuple[int | str, ...]
"""Keys of mappings and numbers of list entries, from the outside in."""

_MOST_SHOWN = 12  # names that a complaint lists
_UNKNOWN = "unexpected_keyword_argument"
_RULES = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of names to values",
    "dataclass_type": "must be a mapping of names to values",
    "json_invalid": "must be of whole characters, and not nested so deep",
}


@dataclass(frozen=True, slots=True)
class ReadBy:
    """Note of an annotated type: its value is what `make` returns for, or raises `ValueError` about, what is given.

    Attributes:
        make: makes it.
        given: the type that is read; None for the annotated type itself.
        takes_one: whether a text is taken for a list of that text alone.
    """

    make: Callable[[Any], object]
    given: Any = None
    takes_one: bool = False

    def __get_pydantic_core_schema__(
        self,
        source: Any,  # noqa: ANN401 any type
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 takes 50 ms, only where something is read

        schema = handler(source) if self.given is None else handler.generate_schema(self.given)
        if self.takes_one:
            schema = core_schema.no_info_before_validator_function(_listed, schema)
        return core_schema.no_info_after_validator_function(self.make, schema)


def _listed(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def given_type(wanted: Any) -> Any:  # noqa: ANN401 any type
    """The type that is read for another, without its notes."""
    notes = getattr(wanted, "__metadata__", ())
    plain = wanted.__origin__ if notes else wanted
    given = next((note.given for note in notes if isinstance(note, ReadBy) and note.given), plain)
    several = [one for one in get_args(given) if one is not type(None)]
    return several[0] if type(None) in get_args(given) else given


@dataclass(frozen=True, slots=True)
class Document:
    """Values and where they stand.

    Attributes:
        path: the file; None where there is none.
        data: of JSON's types.
        lines: from 1, by place; a value under a key has the key's. Without one, the file alone is named.
        flags: first step of a place to the flag that gave it.
        doubts: places to the words there that YAML takes for something else, such as `no`, `0x10` or
            nothing; their values are None.
    """

    path: Path | None
    data: Any
    lines: Mapping[Place, int] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    doubts: Mapping[Place, str] = field(default_factory=dict)

    def over(self, other: Document) -> Document:
        """These options, and those of another that are not among them."""
        doubts = {at: word for at, word in other.doubts.items() if at[0] not in self.data}
        return Document(other.path, {**other.data, **self.data}, other.lines, self.flags, doubts)

    def read(self, wanted: type[T]) -> T:
        """Reads all of it as a type.

        Raises:
            UsageError: naming file, line or flag, place, value and rule.
        """
        from pydantic import ValidationError  # noqa: PLC0415 as above

        try:
            value: T = _reader(cast("Any", wanted)).validate_json(json.dumps([self.data]))[0]
        except ValidationError as error:
            raise self._told(error, wanted) from None
        for place, word in self.doubts.items():
            rule = "must be a decimal number, true, false, or text in quotes"
            raise self.error(place, f"{echo(word)}: {rule}")
        return value

    def _told(self, error: ValidationError, wanted: Any) -> UsageError:  # noqa: ANN401 any type
        # A name that is not known tells more than that the one which was meant is missing.
        found = min(error.errors(include_url=False), key=lambda one: one["type"] != _UNKNOWN)
        kind, place = found["type"], found["loc"][1:]
        value = self.doubts.get(place, found["input"])
        if kind == "value_error":
            return self.refusal(place, str(found["ctx"]["error"]))
        if kind == _UNKNOWN:
            problem = "no such option" + _suggestion(str(place[-1]), _names_at(wanted, place[:-1]))
        elif kind == "enum":
            problem = f"{echo(value)}: must be {found['ctx']['expected']}"
        else:
            rule = _RULES.get(kind, found["msg"])
            problem = rule if kind in ("missing", "json_invalid") else f"{echo(value)}: {rule}"
        return self.error(place, problem)

    def refusal(self, place: Place, problem: str) -> UsageError:
        """The error of what a value says of itself: `field=value: rule` belongs to that field."""
        name, is_named, rest = problem.partition("=")
        if is_named and name in place:
            return self.error(place, rest)
        if is_named and self._is_given((*place, name)):
            return self.error((*place, name), rest)
        return self.error(place, problem)

    def _is_given(self, place: Place) -> bool:
        try:
            functools.reduce(lambda inside, step: inside[step], place, self.data)
        except (LookupError, TypeError):
            return False
        return True

    @contextmanager
    def blamed(self, place: Place = ()) -> Iterator[None]:
        """A `ValueError` inside becomes the error of a place."""
        try:
            yield
        except ValueError as error:
            raise self.refusal(place, str(error)) from None

    def error(self, place: Place, problem: str) -> UsageError:
        """What is wrong at a place."""
        if place and place[0] in self.flags:
            return UsageError(f"{self.flags[str(place[0])]}: {problem}")
        inside = (place[:length] for length in range(len(place), -1, -1))
        line = next((self.lines[one] for one in inside if one in self.lines), None)
        where = "" if self.path is None else str(self.path)
        where += "" if line is None else f":{line}"
        return UsageError(": ".join(part for part in (where, in_words(place), problem) if part))


@functools.cache
def _reader(wanted: Any) -> TypeAdapter[Any]:  # noqa: ANN401 any type
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 as above

    # Strict, so that "10" is no number and `yes` not true. A dataclass has that passed down by the tuple.
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return TypeAdapter(tuple[wanted], config=config)


def in_words(place: Place) -> str:
    """A place as in `streams[0].fps`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{echo(step)[1:-1]}" for step in place)
    return "".join(steps).removeprefix(".")


def _names_at(wanted: Any, steps: Place) -> Collection[str]:  # noqa: ANN401 any type
    """The fields of the dataclass at a place in a type."""
    wanted = given_type(wanted)
    for step in steps:
        inner = get_args(wanted)
        if inner:
            wanted = inner[0 if isinstance(step, int) else -1]
        else:
            wanted = get_type_hints(wanted, include_extras=True)[str(step)]
        wanted = given_type(wanted)
    return [item.name for item in dataclasses.fields(wanted)]


def _suggestion(name: str, known: Collection[str]) -> str:
    """Ends a complaint about an unknown name: the one that was probably meant, or all if they are few."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(known)}" if len(known) <= _MOST_SHOWN else ""
