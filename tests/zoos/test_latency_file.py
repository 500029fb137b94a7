from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.errors import UsageError
from moonjelly.core.mode import Mode
from moonjelly.core.variant import Variant
from moonjelly.zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    load_latency_profile,
    mode_table,
    modes_of,
    power_table,
    read_latency_file,
    write_latency_file,
)

NOTES = """\
# schema: 1
# zoo: toy
# device_type: cpu
# method: measured
# processor: Some CPU
# num_cores: 1
# runtime: torch 2
# measured_on: 2025-11-21
# source: a test
"""
HEADER = "variant,device_type,batch_size,p50_ms,p99_ms,num_samples"
ROWS = ["a,cpu,1,5,6,100", "a,cpu,2,9,10,100", "b,cpu,1,15,16.5,100"]
GOOD = "\n".join([NOTES + HEADER, *ROWS, ""])
VARIANTS = (Variant("a", 128, 0.2, 80), Variant("b", 256, 0.3, 200))
FIRST = 11  # line of the first row


def with_row(row: str, index: int = 0) -> str:
    rows = list(ROWS)
    rows[index] = row
    return "\n".join([NOTES + HEADER, *rows, ""])


def check_refused(tmp_path: Path, data: str | bytes, place: str, rule: str) -> None:
    path = tmp_path / "latency-cpu.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(UsageError) as caught:
        read_latency_file(path, VARIANTS)
    message = str(caught.value)
    assert message.startswith(f"{path}:{place}"), message
    assert rule in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 250


@pytest.mark.parametrize(
    ("change", "place", "rule"),
    [
        pytest.param("", "1:1", "is empty", id="1 empty"),
        pytest.param(NOTES + HEADER + "\n", "1:1", "row below", id="2 header only"),
        pytest.param(NOTES + "\n".join(ROWS) + "\n", "10:'a'", "unknown column", id="3 header missing"),
        pytest.param("\n\n", "1:1", "must begin with the header", id="3b blank lines only"),
        pytest.param(
            GOOD.replace(HEADER, HEADER + ",joules"), "10:'joules'", "unknown", id="5 extra column"
        ),
        pytest.param(
            GOOD.replace(",num_samples", ""), "10:num_samples", "missing", id="6 missing column"
        ),
        pytest.param(
            GOOD.replace("p99_ms", "p50_ms"), "10:p50_ms", "there twice", id="7 duplicate column"
        ),
        pytest.param(GOOD.replace(",", ";"), "10:'variant;device", "unknown column", id="8 semicolons"),
        pytest.param(GOOD.replace(",", "\t"), "10:'variant", "unknown column", id="8 tabs"),
        pytest.param(with_row("a,cpu,1,5,5,6,100"), f"{FIRST}:6", "6 fields", id="9 decimal comma"),
        pytest.param(with_row('a,cpu,1,"5",6,100'), f"{FIRST}:9", "quote", id="10 quoted number"),
        pytest.param(with_row('"a,cpu,1,5,6,100'), f"{FIRST}:1", "quote", id="11 unclosed quote"),
        pytest.param(with_row("a,cpu,1,5,\0,100"), f"{FIRST}:11", "NUL", id="14 NUL"),
        pytest.param(GOOD.encode().replace(b"b,cpu", b"\xff,cpu"), "13:", "UTF-8", id="15 UTF-8"),
        pytest.param(GOOD[:-2], "13:1", "cut off", id="16 truncated last line"),
        pytest.param(with_row("a,cpu,1,5,6"), f"{FIRST}:5", "has 5", id="17 too few fields"),
        pytest.param(with_row("a,cpu,1,5,6,1,2"), f"{FIRST}:6", "has 7", id="18 too many fields"),
        pytest.param(with_row("# hello: x"), f"{FIRST}:1", "before the header", id="20 comment"),
        pytest.param("# hello\n" + GOOD, "1:1", "key: value", id="20b comment without a key"),
        pytest.param("# zoo: x\n" + GOOD, "3:1", "each key once", id="20c note twice"),
        pytest.param(with_row("a,cpu,1,0,6,100"), f"{FIRST}:p50_ms", "'0'", id="21 latency 0"),
        pytest.param(with_row("a,cpu,1,-5,6,100"), f"{FIRST}:p50_ms", "'-5'", id="22 negative"),
        pytest.param(with_row("a,cpu,1,5,nan,100"), f"{FIRST}:p99_ms", "number", id="23 NaN"),
        pytest.param(with_row("a,cpu,1,5,inf,100"), f"{FIRST}:p99_ms", "number", id="24 inf"),
        pytest.param(with_row("a,cpu,1,1e-300,6,1"), f"{FIRST}:p50_ms", "from", id="25 tiny"),
        pytest.param(with_row("a,cpu,1,5,1e300,1"), f"{FIRST}:p99_ms", "from", id="26 huge"),
        pytest.param(with_row("a,cpu,1,5ms,6,100"), f"{FIRST}:p50_ms", "number", id="27 unit"),
        pytest.param(with_row("a,cpu,1,0.005,6,1"), f"{FIRST}:p50_ms", "0.01", id="28 seconds"),
        pytest.param(with_row("a,cpu,1,5,70000,1"), f"{FIRST}:p99_ms", "60000", id="28b over 60 s"),
        pytest.param(with_row("a,cpu,1,5,4.9,100"), f"{FIRST}:p99_ms", "p50_ms=5", id="29 p99 < p50"),
        pytest.param(with_row("a,cpu,2,4,4.7,9", 1), "12:p99_ms", "20%", id="30 latency falls"),
        pytest.param(with_row("a,cpu,0,5,6,100"), f"{FIRST}:batch_size", "whole", id="31 batch 0"),
        pytest.param(with_row("a,cpu,-1,5,6,1"), f"{FIRST}:batch_size", "whole", id="32 batch -1"),
        pytest.param(with_row("a,cpu,2.5,5,6,1"), f"{FIRST}:batch_size", "whole", id="33 batch 2.5"),
        pytest.param(with_row("a,cpu,1,9,9,1", 1), "12:batch_size", "twice", id="34 duplicate row"),
        pytest.param(
            with_row("b,cpu,2,15,16,1", 2), "13:batch_size", "no batch size 1", id="35 no batch 1"
        ),
        pytest.param(with_row("a,cpu,4,9,9,1", 1), "12:batch_size", "size 2", id="36 hole"),
        pytest.param(with_row("a,cpu,257,9,9,1", 1), "12:batch_size", "256", id="37 batch too big"),
        pytest.param(
            with_row("a,tpu,1,5,6,1"), f"{FIRST}:device_type", "must be cpu", id="39 device"
        ),
        pytest.param(with_row("c,cpu,1,5,6,1"), f"{FIRST}:variant", "no variant", id="40 unknown"),
        pytest.param(
            "\n".join([NOTES + HEADER, *ROWS[:2], ""]), "12:variant", "b of the zoo", id="40b missing"
        ),
        pytest.param(with_row("x" * 5000), f"{FIRST}:4096", "at most 4096", id="42 long line"),
        pytest.param(
            with_row("=cmd|' /C calc'!A0,cpu,1,5,6,1"), f"{FIRST}:variant", "1 to 64", id="43 formula"
        ),
        pytest.param(
            GOOD.replace("schema: 1", "schema: 3"), "1:schema", "measure again", id="44 schema version"
        ),
        pytest.param(GOOD.replace("# schema: 1\n", ""), "1:schema", "must be", id="44b no schema"),
        pytest.param(with_row("a,cpu,1,5_0,60,1"), f"{FIRST}:p50_ms", "number", id="underscore"),
        pytest.param(with_row("a,cpu,1,5,٦,1"), f"{FIRST}:p99_ms", "number", id="other digits"),
        pytest.param(with_row("a,cpu,²,5,6,1"), f"{FIRST}:batch_size", "whole", id="superscript"),
        pytest.param(GOOD.replace("measured\n", "guessed\n"), "1:method", "one of", id="method"),
        pytest.param(GOOD.replace("cores: 1", "cores: many"), "1:num_cores", "whole", id="num_cores"),
        pytest.param(GOOD.replace("zoo: toy", "zoo: ../toy"), "1:zoo", "1 to 64", id="zoo"),
    ],
)  # fmt: skip
def test_a_broken_table_is_refused_with_its_place(
    tmp_path: Path, change: str | bytes, place: str, rule: str
) -> None:
    check_refused(tmp_path, change, place, rule)


def test_a_file_of_too_many_rows_is_refused_41(tmp_path: Path) -> None:
    check_refused(
        tmp_path,
        NOTES + HEADER + "\n" + "a,cpu,1,5,6,100\n" * 100_001,
        str(10 + 100_001) + ":1",
        "100000 rows",
    )


def test_a_file_that_is_too_long_is_refused_42(tmp_path: Path) -> None:
    check_refused(tmp_path, b"x" * (32 * 1024 * 1024 + 1), "", "bytes")


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(UsageError, match=f"^{path}: (cannot be read|must be a file)"):
            read_latency_file(path)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD, id="plain"),
        pytest.param(GOOD.replace("\n", "\r\n"), id="12 CRLF"),
        pytest.param(GOOD.replace("\n", "\r\n", 7), id="12 mixed line ends"),
        pytest.param("\ufeff" + GOOD, id="13 byte order mark"),
        pytest.param(GOOD.replace(ROWS[1], "\n\n" + ROWS[1]), id="19 blank lines"),
        pytest.param(GOOD.replace(",", ", "), id="spaces after commas"),
    ],
)
def test_harmless_differences_are_taken(tmp_path: Path, text: str) -> None:
    path = tmp_path / "latency-cpu.csv"
    path.write_bytes(text.encode())
    profile = load_latency_profile(path, VARIANTS)
    assert profile.by_variant["a"].p99_ms == (6.0, 10.0)
    assert profile.by_variant["b"].p50_ms == (15.0,)


def test_columns_may_stand_in_any_order_4(tmp_path: Path) -> None:
    path = tmp_path / "latency-cpu.csv"
    path.write_text(
        NOTES + "p99_ms,p50_ms,num_samples,batch_size,device_type,variant\n6,5,9,1,cpu,a\n"
    )
    row = read_latency_file(path).rows[0]
    assert (row.variant, row.p50_ms, row.p99_ms, row.num_samples) == ("a", 5, 6, 9)


def test_a_small_fall_of_the_latency_is_raised_to_the_batch_before(tmp_path: Path) -> None:
    path = tmp_path / "latency-cpu.csv"
    path.write_text(with_row("a,cpu,2,5,5.5,100", 1))
    assert load_latency_profile(path).by_variant["a"].p99_ms == (6.0, 6.0)


def test_the_planner_s_table_follows_the_variants_and_the_batch_limit(tmp_path: Path) -> None:
    path = tmp_path / "latency-cpu.csv"
    path.write_text(GOOD)
    profile = load_latency_profile(path)
    assert mode_table(profile, VARIANTS, 12).p99_rows_ms == ((6.0, 10.0), (16.5,))
    assert mode_table(profile, VARIANTS, 1).p99_rows_ms == ((6.0,), (16.5,))
    with pytest.raises(UsageError, match="no latency of variant c"):
        mode_table(profile, (Variant("c", 128, 0.2, 80),), 1)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0.01, 1000), st.floats(0, 50)), min_size=1, max_size=8),
    st.text("abc. ", max_size=20),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[float, float]], source: str
) -> None:
    path = tmp_path_factory.mktemp("profile") / "folder" / "latency-cpu.csv"
    rows: list[LatencyRow] = []
    for batch_size, (p50, more) in enumerate(sizes, 1):
        p99 = max(p50 + more, rows[-1].p99_ms if rows else 0)
        rows.append(LatencyRow("a", batch_size, round(p50, 3), round(p99, 3), 7))
    file = LatencyFile(
        zoo="toy",
        device_type="cpu",
        method=Method.QUICK,
        fingerprint=Fingerprint("Some CPU", 2, "torch 2"),
        measured_on="2025-11-21",
        source=source.strip(),
        rows=tuple(rows),
    )
    write_latency_file(path, file)
    assert read_latency_file(path) == file
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_cell_that_would_break_the_table_is_not_written_43(tmp_path: Path) -> None:
    path = tmp_path / "latency-cpu.csv"
    file = LatencyFile(
        "toy",
        "cpu",
        Method.QUICK,
        Fingerprint("Some CPU", 2, "torch 2"),
        "2025-11-21",
        "a\nb",
        (LatencyRow("a", 1, 1, 1, 1),),
    )
    with pytest.raises(ValueError, match="line end"):
        write_latency_file(path, file)
    assert not path.exists()


CLOCK_HEADER = HEADER + ",clock_mhz,power_w,energy_mj"
TOP = [
    "a,cpu,1,5,6,9,900,10,50",
    "a,cpu,2,9,10,9,900,11,",
    "a,cpu,3,13,14,9,900,12,",
    "b,cpu,1,15,16,9,900,12.5,",
]
LOW = [
    "a,cpu,1,10,11,9,450.75,5,",
    "a,cpu,2,18,19,9,450.75,5,",
    "a,cpu,3,26,27,9,450.75,5,",
    "b,cpu,1,30,31,9,450.75,6,",
]
MIDDLE = ["a,cpu,1,7,8,9,700,8,", "a,cpu,3,16,17,9,700,,", "b,cpu,1,20,21,9,700,8,"]


def clocked(*rows: str, header: str = CLOCK_HEADER, schema: int = 2) -> str:
    notes = NOTES.replace("schema: 1", f"schema: {schema}")
    return "\n".join([notes + header, *rows, ""])


def read(tmp_path: Path, text: str) -> LatencyFile:
    path = tmp_path / "latency-cpu.csv"
    path.write_text(text)
    return read_latency_file(path, VARIANTS)


def test_a_table_may_have_clocks_power_and_energy(tmp_path: Path) -> None:
    file = read(tmp_path, clocked(*LOW, *TOP))
    assert file.clocks_mhz == (450.75, 900.0)
    low, top = file.rows[0], file.rows[4]
    assert (low.clock_mhz, low.power_w, low.energy_mj, low.batch_mj) == (450.75, 5.0, None, 50.0)
    assert (top.power_w, top.energy_mj, top.batch_mj) == (10.0, 50.0, 50.0)
    assert file.rows[6].batch_mj == 156.0


def test_a_device_that_nobody_sets_is_planned_at_its_highest_clock(tmp_path: Path) -> None:
    profile = read(tmp_path, clocked(*LOW, *TOP)).profile()
    assert profile.by_variant["a"].p99_ms == (6.0, 10.0, 14.0)


def test_schema_2_does_without_what_was_not_measured(tmp_path: Path) -> None:
    assert read(tmp_path, clocked(*ROWS, header=HEADER)).rows == read(tmp_path, GOOD).rows
    powered = [row + ",7" for row in ROWS]
    file = read(tmp_path, clocked(*powered, header=HEADER + ",power_w"))
    assert file.clocks_mhz == ()
    assert file.rows[1].batch_mj == 63.0


def test_holes_below_the_highest_clock_are_left_to_prediction(tmp_path: Path) -> None:
    file = read(tmp_path, clocked(*LOW[:1], *LOW[2:], *TOP, *MIDDLE))
    assert len(file.rows) == 10


@pytest.mark.parametrize(
    ("rows", "place", "rule"),
    [
        pytest.param(["a,cpu,1,5,6,9,nan,10,50"], f"{FIRST}:clock_mhz", "number", id="NaN clock"),
        pytest.param(["a,cpu,1,5,6,9,0,10,50"], f"{FIRST}:clock_mhz", "from 1", id="clock 0"),
        pytest.param(
            ["a,cpu,1,5,6,9,9e8,10,50"], f"{FIRST}:clock_mhz", "to 100000", id="clock in Hz"
        ),
        pytest.param(["a,cpu,1,5,6,9,900,nan,"], f"{FIRST}:power_w", "number", id="NaN power"),
        pytest.param(["a,cpu,1,5,6,9,900,-3,"], f"{FIRST}:power_w", "'-3'", id="negative power"),
        pytest.param(["a,cpu,1,5,6,9,900,0,"], f"{FIRST}:power_w", "0.001", id="no power"),
        pytest.param(["a,cpu,1,5,6,9,900,,inf"], f"{FIRST}:energy_mj", "number", id="inf energy"),
        pytest.param(
            ["a,cpu,1,5,6,9,900,10,0.05"], f"{FIRST}:energy_mj", "p50_ms, 50", id="energy in J"
        ),
        pytest.param(
            [*TOP[:1], "a,cpu,2,9,10,9,,11,", *TOP[2:]],
            f"{FIRST + 1}:clock_mhz", "as it is in other rows", id="a clock in some rows",
        ),
        pytest.param(
            [*TOP, "a,cpu,2,9,10,9,900.0,11,"],
            f"{FIRST + 4}:batch_size", "twice at 900 MHz", id="a cell twice",
        ),
        pytest.param(
            [*LOW, TOP[0], *TOP[2:]],
            f"{FIRST + 5}:batch_size", "no batch size 2 at 900 MHz", id="hole at the highest clock",
        ),
        pytest.param(
            [*LOW, *TOP[:3]], f"{FIRST + 3}:clock_mhz", "b must be measured at 900 MHz too", id="no top",
        ),
        pytest.param(
            [LOW[0], LOW[3], *TOP],
            f"{FIRST}:batch_size", "a has 4 of 6 cells, too few", id="too few cells for the holes",
        ),
        pytest.param(
            [*LOW, *TOP[:3], "b,cpu,1,15,16,9,900,,"],
            f"{FIRST + 3}:power_w", "b has 1 of 2 cells with power, too few", id="too little power",
        ),
        pytest.param(
            [LOW[0], "a,cpu,3,5,5,9,450.75,5,", *LOW[3:], *TOP],
            f"{FIRST + 1}:p99_ms", "20% from batch size 1", id="latency falls across a hole",
        ),
    ],
)  # fmt: skip
def test_a_broken_table_with_clocks_is_refused_with_its_place(
    tmp_path: Path, rows: list[str], place: str, rule: str
) -> None:
    check_refused(tmp_path, clocked(*rows), place, rule)


def test_schema_1_has_no_clocks(tmp_path: Path) -> None:
    check_refused(tmp_path, clocked(*TOP, schema=1), "1:schema", "must be 2, as there is clock_mhz")


def test_clocks_and_energy_are_written_as_schema_2_and_read_back(tmp_path: Path) -> None:
    file = read(tmp_path, clocked(*LOW, *TOP))
    path = tmp_path / "again.csv"
    write_latency_file(path, file)
    assert read_latency_file(path) == file
    assert "# schema: 2\n" in path.read_text()


def test_idle_power_and_power_make_a_table_of_what_a_device_draws(tmp_path: Path) -> None:
    text = clocked(*LOW, *TOP)
    file = read(tmp_path, text)
    modes = modes_of(file, VARIANTS)
    assert modes is not None
    assert power_table(file, modes) is None  # nobody guesses it
    file = read(tmp_path, text.replace("# zoo", "# idle_w: 2.5, 4.5\n# zoo"))
    path = tmp_path / "again.csv"
    write_latency_file(path, file)
    assert read_latency_file(path) == file
    table = power_table(file, modes)
    assert table is not None
    assert table.idle_w == {None: 4.5, 450.75: 2.5, 900.0: 4.5}
    known = {(0, 2, None): 11, (0, 2, 900.0): 11, (0, 3, 450.75): 5, (1, 1, 450.75): 6}
    for mode, power_w in known.items():
        assert table.power_w[Mode(*mode)] == pytest.approx(power_w)
    # The batch of one was metered: 50 mJ in 5 ms.
    assert table.power_w[Mode(0, 1)] == pytest.approx(10)


@pytest.mark.parametrize("idle_w", ["-1", "nan", "much", "1e9", "", "1,2,3", "1,"])
def test_idle_power_that_cannot_be_is_refused_with_its_line(tmp_path: Path, idle_w: str) -> None:
    text = clocked(*TOP).replace("# zoo", f"# idle_w: {idle_w}\n# zoo")
    check_refused(tmp_path, text, "1:idle_w", "must be 0 to 100000")


def test_a_table_without_them_is_written_as_schema_1(tmp_path: Path) -> None:
    path = tmp_path / "again.csv"
    write_latency_file(path, read(tmp_path, GOOD))
    text = path.read_text()
    assert text.startswith("# schema: 1\n")
    assert HEADER + "\n" in text
