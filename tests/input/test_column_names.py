"""The columns of users, items and ratings are found by name or by order."""

from __future__ import annotations

import pytest
from forms import EXPECTED, FRAME, ITEMS, USERS, VALUES, content, read
from optional import pandas as pd
from optional import polars as pl

from factorate._input.column_names import find_columns


@pytest.mark.parametrize(
    "names",
    [
        ("user", "item", "rating"),
        ("user_id", "item_id", "score"),
        ("userId", "itemId", "stars"),
        ("UserID", "MovieID", "Rating"),
        ("user_id", "book_id", "rating"),
    ],
)
def test_columns_are_found_by_name_in_any_order(names: tuple[str, str, str]) -> None:
    frame = pd.DataFrame(dict(zip(names, (USERS, ITEMS, VALUES), strict=True)))
    frame["timestamp"] = 0
    assert content(read(frame[[*frame.columns[::-1]]])) == EXPECTED


def test_three_columns_of_other_names_are_read_in_order() -> None:
    frame = pl.DataFrame({"x": USERS, "y": ITEMS, "z": VALUES})
    assert content(read(frame)) == EXPECTED


def test_three_columns_with_some_known_names_are_read_in_order() -> None:
    frame = pl.DataFrame({"user": USERS, "product": ITEMS, "rating": VALUES})
    assert content(read(frame)) == EXPECTED


def test_columns_can_be_named() -> None:
    frame = pd.DataFrame({"r": VALUES, "who": USERS, "what": ITEMS, "user": 7})
    assert content(read(frame, names=("who", "what", "r"))) == EXPECTED


def test_absent_names_raise() -> None:
    with pytest.raises(ValueError, match=r"names 'who', which is not among the columns \['user'"):
        read(pd.DataFrame(FRAME), names=("who", "item", "rating"))
    with pytest.raises(ValueError, match="has no rating"):
        read(pd.DataFrame(FRAME), names=("user", "item"))


def test_errors_list_few_names_and_escape_control_characters() -> None:
    """Regression: a million columns give no message of megabytes."""
    names = ["\x1b[31m\n", "n" * 10_000, *(f"column {n}" for n in range(10**5))]
    for wanted in (None, ("a", "b", "c")):
        with pytest.raises(
            ValueError, match=r"'\\x1b\[31m\\n', 'n+…, 'column 0'.* 99,990 more\]"
        ) as error:
            find_columns(names, wanted, True)
        assert len(str(error.value)) < 1000
        assert "\x1b" not in str(error.value)
