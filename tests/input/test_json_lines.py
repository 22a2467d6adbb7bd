"""JSON lines are read, and errors name the line and the value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from forms import EXPECTED, ITEMS, USERS, VALUES, content, read
from optional import present
from optional import pyarrow as pa

from factorate._input.files import read_batches, read_file
from factorate._input.find_sources import find_sources
from factorate._input.json_lines import read_json_lines


def write(path: Path, *lines: str | dict[str, Any]) -> Path:
    present(pa)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def rating(user: Any, item: Any = 1, value: Any = 1, **other: Any) -> dict[str, Any]:
    return {"user": user, "item": item, "rating": value} | other


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ratings.jsonl"


@pytest.mark.parametrize("batch_bytes", [1, 60, 1 << 20])
def test_ratings_may_be_integers_in_some_blocks_and_fractions_in_others(
    path: Path, batch_bytes: int
) -> None:
    lines = [
        f'{{"user": {user}, "item": {item}, "rating": {value:g}}}'
        for user, item, value in zip(USERS, ITEMS, VALUES, strict=True)
    ]
    table = read_file(write(path, *lines), batch_bytes=batch_bytes)
    assert content(read(table)) == EXPECTED


def test_blocks_end_at_the_end_of_a_line(path: Path) -> None:
    write(path, *(rating(user, f"item {user}", user) for user in range(100)))
    tables = list(read_batches(path, list, (None, None), batch_bytes=500))
    assert len(tables) > 5
    assert [user for table in tables for user in table["user"].to_pylist()] == list(range(100))


@pytest.mark.parametrize("batch_bytes", [1, 1 << 20])
def test_integers_beyond_64_bits_are_ids(path: Path, batch_bytes: int) -> None:
    ids = [1, 2**64 - 1, 10**20, -(10**30)]
    table = read_file(write(path, *map(rating, ids)), batch_bytes=batch_bytes)
    assert read(table).user_index.ids.tolist() == sorted(ids)


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        ([3, -5, 2**63 - 1], "integer"),
        ([True, False, True], "bool"),
        (["2020-01-01", "2020-01-01T00:00:00", "7"], "str"),
        (['a"b\\', "ü\u2028\U0001f375", " "], "str"),
    ],
)
def test_ids_keep_their_type(path: Path, ids: list[Any], kind: str) -> None:
    ratings = read(write(path, *map(rating, ids)))
    assert ratings.user_index.kind == kind
    assert ratings.user_index.ids[ratings.user_rows].tolist() == ids


def test_other_columns_of_any_type_and_blank_lines_are_ignored(path: Path) -> None:
    lines = rating(2, 3, 4, tags=["a", None]), "", " \t", rating(1, 2, 3.5, tags=7, more=None)
    assert content(read(write(path, *lines))) == [(1, 2, 3.5), (2, 3, 4.0)]


def test_keys_may_be_in_any_order_and_lines_end_in_any_way(path: Path) -> None:
    present(pa)
    path.write_bytes(
        b'\xef\xbb\xbf{"user": 1, "item": 2, "rating": 3}\r\n{"rating": 4, "item": 5, "user": 6}'
    )
    assert content(read(path)) == [(1, 2, 3.0), (6, 5, 4.0)]


def test_the_last_of_two_equal_keys_counts(path: Path) -> None:
    write(path, rating(1, 2, 3), '{"user": 1, "user": 4, "item": 5, "rating": 6}')
    assert content(read(path)) == [(1, 2, 3.0), (4, 5, 6.0)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"user": 1, "item": 1, "rating": "4"}', "rating is '4', which is not a finite number"),
        ('{"user": 1, "item": 1, "rating": NaN}', "rating is nan, which is not a finite number"),
        ('{"user": 1, "item": 1, "rating": 1e999}', "rating is inf, which is not a finite"),
        (
            '{"user": 1, "item": 1, "rating": 1' + "0" * 400 + "}",
            "rating is 10+…, which is not a finite number",
        ),
        ('{"user": 1, "item": 1, "rating": null}', "rating is missing; drop the line"),
        ('{"user": 1, "rating": 1}', "item is missing; drop the line"),
        ('{"user": 1, "item": ' + "[" * 100_000, "is not JSON"),
        ('{"user": 1, "item": 1, "rating": 1,}', "is not JSON"),
        ('{"user": 1,', "is not JSON"),
        ('{"user": 1, "item": 1, "rating": 1} {"user": 2, "item": 1, "rating": 1}', "is not JSON"),
        ("null", "is not a JSON object: 'null'"),
        ("[1, 1, 1]", r"is not a JSON object: '\[1, 1, 1\]'"),
        (r'{"user": 1, "item": "\ud800", "rating": 1}', r"item has '\\ud800', which is not a char"),
        ('{"user": 1, "item": "a", "rating": 1}', "item is 'a' where line 1 has 1; the ids of a"),
        ('{"user": 1, "item": true, "rating": 1}', "item is True where line 1 has 1"),
        ('{"user": 1, "item": 1.0, "rating": 1}', "item is 1.0; ids must be integers, text"),
        (
            '{"user": 1, "item": 1' + "0" * 40 + ', "rating": 1}',
            "item is an integer of more than 38 digits",
        ),
    ],
)
@pytest.mark.parametrize("batch_bytes", [1, 1 << 20])
def test_errors_name_the_line_and_value(
    path: Path, line: str, message: str, batch_bytes: int
) -> None:
    write(path, rating(1), "", line, rating(2))
    with pytest.raises(ValueError, match=rf"ratings\.jsonl, line 3:? {message}"):
        read_file(path, batch_bytes=batch_bytes)


@pytest.mark.parametrize("line", ["null", "7", '{"user": null, "item": 1, "rating": 1}'])
def test_errors_name_the_first_line(path: Path, line: str) -> None:
    """Regression: a first line of null raises; pyarrow would crash."""
    with pytest.raises(ValueError, match="line 1"):
        read_file(write(path, line))


@pytest.mark.parametrize("text", ["", "\n", " \n\n"])
def test_an_empty_file_raises(path: Path, text: str) -> None:
    present(pa)
    path.write_text(text)
    with pytest.raises(ValueError, match="is empty; expected a JSON object on each line"):
        list(read_json_lines(find_sources(path)[0], list, 1 << 20))


def test_blocks_of_blank_lines_are_skipped(path: Path) -> None:
    write(path, *[""] * 10, rating(1), *[""] * 10)
    (table,) = read_json_lines(find_sources(path)[0], list, 2)
    assert table.to_pylist() == [rating(1)]
