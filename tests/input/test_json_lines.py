"""JSON lines are read, and errors name the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from forms import EXPECTED, ITEMS, USERS, VALUES, content, read

from factorate._input.pairs import read_pairs


def test_ratings_may_be_integers_in_some_blocks_and_fractions_in_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: batches of whole numbers did not join those of others."""
    monkeypatch.setattr(files, "ROWS", 2)
    lines = [
        f'{{"user": {user}, "item": {item}, "rating": {value:g}}}\n'
        for user, item, value in zip(USERS, ITEMS, VALUES, strict=True)
    ]
    (tmp_path / "ratings.jsonl").write_text("".join(lines))
    assert content(read(tmp_path / "ratings.jsonl")) == EXPECTED


def test_integers_beyond_64_bits_are_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: an id of more than 64 bits was refused by the library that holds columns."""
    monkeypatch.setattr(files, "ROWS", 1)
    ids = [1, 2**64 - 1, 10**20, -(10**30)]
    lines = [f'{{"user": {user}, "item": 1, "rating": 1}}\n' for user in ids]
    path = tmp_path / "ratings.jsonl"
    path.write_text("".join(lines))
    ratings = read(path)
    assert ratings.user_index.ids.tolist() == sorted(ids)
    assert read_pairs(path, ratings.user_index, ratings.item_index)[0].tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"item": 1, "rating": "4"', "line 2: rating is '4', which is no finite number"),
        ('"item": 1, "rating": NaN', "line 2: rating is nan, which is no finite number"),
        ('"item": 1, "rating": 1e999', "line 2: rating is inf, which is no finite number"),
        ('"item": 1, "rating": 1' + "0" * 400, "line 2: rating is 10+, which is no finite"),
        ('"item": ' + "[" * 100_000, "line 2 is not JSON"),
        (r'"item": "\ud800", "rating": 1', r"item has '\\ud800', which is no character"),
        ('"item": "a", "rating": 1', "mixes types of ids: .*Field item .*int64 vs string"),
        (
            '"item": 1' + "0" * 40 + ', "rating": 1',
            "lines 2 to 2: item .* an integer of more than 38",
        ),
    ],
)
def test_errors_name_the_line_and_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setattr(files, "ROWS", 1)
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"user": 1, "item": 1, "rating": 1}}\n{{"user": 1, {text}}}\n')
    with pytest.raises(ValueError, match=f"bad.jsonl.*{message}"):
        read(path)
