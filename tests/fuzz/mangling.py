"""Bends what a person or a program wrote: a number of hypothesis in, the same damage out.

One draw an example, since a hundred would take most of the time.
"""

from __future__ import annotations

import random
import re

VALUES = (
    *("0", "-1", "1", "0.5", "-0.0", "1e-300", "5e-324", "1e308", "1e400", "-1e400", "9" * 400),
    *("nan", ".nan", ".inf", "-.inf", "Infinity", "true", "no", "null", "~", "''", "0x10", "1_000"),
    *("[]", "{}", "[[1]]", "{a: 1}", "'x'", "a b", "../../etc/passwd", "/", "a\\0b", "\u202e", "é"),
    *("&a [*a]", "*a", "!!python/object:os.system", "!!binary AAAA", "2020-01-01", "12:30:45"),
    *("2", "3", "1000", "65536", "2147483648", "18446744073709551616", "x" * 70, '"', "`", "\t"),
)
TOKEN = re.compile(r"[^\s,:\[\]{}#]+")


def mangled(text: str, number: int, most: int = 4) -> bytes:
    """The text after up to `most` changes of its lines, words and bytes."""
    rng = random.Random(number)
    for _ in range(rng.randint(1, most)):
        text = _changed(text, rng)
    data = text.encode(errors="surrogatepass")
    what = rng.random()
    if what < 0.05:
        return data[: rng.randrange(len(data) + 1)]
    if what < 0.1:
        return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xe9\n", b"\n" * 9)) + data
    return data


def _changed(text: str, rng: random.Random) -> str:
    what = rng.random()
    if what < 0.6:
        tokens = list(TOKEN.finditer(text))
        if not tokens:
            return rng.choice(VALUES)
        one = rng.choice(tokens)
        word = rng.choice(tokens).group() if rng.random() < 0.2 else rng.choice(VALUES)
        return text[: one.start()] + word + text[one.end() :]
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    if what < 0.7:
        del lines[at]
    elif what < 0.8:
        lines.insert(at, rng.choice(lines))
    elif what < 0.85:
        lines[at] = " " * rng.randrange(1, 5) + lines[at]
    elif what < 0.9:
        lines[at] = lines[at].lstrip()
    else:
        position = rng.randrange(len(lines[at]) + 1)
        mark = rng.choice((",", ":", "#", '"', "\n", "\r", " ", "-", "\x1b", "[", "}"))
        lines[at] = lines[at][:position] + mark + lines[at][position:]
    return "".join(lines)
