"""The columns of users, items and ratings are found by name or by order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from forms import EXPECTED, FRAME, ITEMS, USERS, VALUES, content, read
from optional import pandas as pd
from optional import polars as pl
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate._input.column_names import find_columns, find_id_column


@pytest.mark.parametrize(
    "names",
    [
        ("user", "item", "rating"),
        ("user_id", "item_id", "ratings"),
        ("User ID", "Item-ID", "rating"),
        ("userId", "itemId", "stars"),
        ("UserID", "MovieID", "Rating"),
        ("user_id", "book_id", "rating"),
    ],
)
def test_columns_are_found_by_name_in_any_order(names: tuple[str, str, str]) -> None:
    frame = pd.DataFrame(dict(zip(names, (USERS, ITEMS, VALUES), strict=True)))
    frame["timestamp"] = 0
    assert content(read(frame[[*frame.columns[::-1]]])) == EXPECTED


def test_the_last_id_column_may_have_any_name() -> None:
    frame = pl.DataFrame({"user": USERS, "product": ITEMS, "rating": VALUES})
    assert content(read(frame)) == EXPECTED
    times = frame.with_columns(pl.lit(883_000_000).alias("timestamp"))
    assert content(read(times)) == EXPECTED
    assert find_columns(["reader", "item", "stars"], None, True) == ["reader", "item", "stars"]


@pytest.mark.parametrize(
    ("present", "with_ratings", "message"),
    [
        (
            ["userId", "movieId", "timestamp"],
            True,
            r"rating among .* \('timestamp' holds times\); if 'timestamp' holds the ratings, set",
        ),
        (["user", "item", "unixReviewTime"], True, "'unixReviewTime' holds times"),
        (["user", "item", "rating_date"], True, "'rating_date' holds times"),
        (["user", "item", "DATETIME"], True, "'DATETIME' holds times"),
        (["user", "item", "prediction"], True, "'prediction' holds predictions or scores"),
        (["user", "item", "predicted_rating"], True, "'predicted_rating' holds predictions"),
        (["user", "item", "score", "rank"], True, "'score' holds .* and 'rank' holds predictions"),
        (
            ["user", "item", "price"],
            True,
            r"rating among .*; if 'price' holds the ratings, set",
        ),
        (["item", "similar_item", "score"], True, "column of user and rating"),
        (["user", "similar_user", "score"], False, "column of item among .*similar_user' holds"),
        (["user", "timestamp"], False, "column of item among .*'timestamp' holds times"),
        (["userId", "movieId", "x", "y"], True, r"as in columns=\('userId', 'movieId', 'rating'\)"),
        (["x", "y"], False, r"if 'x' and 'y' hold the users and items, set columns=\('x', 'y'\)"),
        (["tea", "jam", "rye"], True, "user, item and rating among .* table .* with wide=True"),
        ([0, 1, 2], True, r"set columns=\(0, 1, 2\) or --columns 0,1,2"),
    ],
)
def test_only_columns_with_known_names_are_taken_for_ratings(
    present: list[str], with_ratings: bool, message: str
) -> None:
    """Regression: times, predictions and wide tables of three items are not read as ratings."""
    with pytest.raises(ValueError, match=message):
        find_columns(present, None, with_ratings)


def test_errors_say_how_to_choose_the_columns() -> None:
    advice = (
        r"; if 'timestamp' holds the ratings, set columns=\('userId', 'movieId', 'timestamp'\) "
        r"or --columns userId,movieId,timestamp$"
    )
    with pytest.raises(ValueError, match=advice):
        find_columns(["userId", "movieId", "timestamp"], None, True)


def test_any_column_can_be_chosen_as_ratings() -> None:
    frame = pd.DataFrame({"userId": USERS, "movieId": ITEMS, "timestamp": VALUES})
    assert content(read(frame, names=("userId", "movieId", "timestamp"))) == EXPECTED


def test_tables_of_predictions_and_recommendations_are_not_ratings() -> None:
    """Regression: a model is not trained or evaluated on its own predictions."""
    frame = pd.DataFrame({"user": USERS, "item": ITEMS, "rating": VALUES})
    model = ft.MatrixFactorization(2, random_state=0).fit(frame)
    tables = [
        frame[["user", "item"]].assign(prediction=model.predict(frame[["user", "item"]])),
        model.recommend(exclude_seen=False, as_frame=True),
        model.similar_items(as_frame=True),
        model.similar_users(as_frame=True),
    ]
    for table in tables:
        for method in (model.fit, model.evaluate):
            with pytest.raises(ValueError, match="holds predictions or scores"):
                method(table)


def test_ratings_in_files_are_found_by_name(tmp_path: Path) -> None:
    present(pa)
    frame = pd.DataFrame({"userId": USERS, "movieId": ITEMS, "timestamp": VALUES})
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    frame.to_parquet(tmp_path / "ratings.parquet")
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match="'timestamp' holds times"):
            read(path)
        assert content(read(path, names=("userId", "movieId", "timestamp"))) == EXPECTED


def test_pairs_beside_their_ratings_are_found_by_name() -> None:
    frame = pd.DataFrame({"rating": VALUES, "time": 0, "itemId": ITEMS, "userId": USERS})
    assert content(read(frame[["itemId", "userId"]], VALUES)) == EXPECTED
    with pytest.raises(ValueError, match="'time' holds times"):
        read(frame[["userId", "time"]], VALUES)


def test_columns_of_files_can_be_numbered(tmp_path: Path) -> None:
    """Regression: the numbers are those of the file, not of the columns read from it."""
    present(pa)
    frame = pd.DataFrame({"r": VALUES, "day": 1, "what": ITEMS, "who": USERS})
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    frame.to_parquet(tmp_path / "ratings.parquet")
    frame.to_json(tmp_path / "ratings.jsonl", orient="records", lines=True)
    for path in tmp_path.iterdir():
        assert content(read(path, names=(3, 2, 0))) == EXPECTED


def test_columns_can_be_numbered() -> None:
    frame = pd.DataFrame({"r": VALUES, "who": USERS, "what": ITEMS})
    assert content(read(frame, names=(1, 2, 0))) == EXPECTED
    assert content(read(pl.DataFrame(frame.to_dict("list")), names=(1, "what", 0))) == EXPECTED
    rows = pd.DataFrame(list(zip(USERS, ITEMS, VALUES, strict=True)))
    assert content(read(rows, names=(0, 1, 2))) == EXPECTED
    with pytest.raises(ValueError, match=r"names 3, which is not .*, numbered from 0 to 2"):
        read(frame, names=(1, 2, 3))


def test_a_number_that_is_no_position_can_be_a_name() -> None:
    assert find_columns(["user", "item", "2020"], (0, 1, 2020), True) == ["user", "item", "2020"]
    assert find_id_column(["age", "2020"], "user", 2020) == ["2020"]
    assert find_columns(["user", "item", "1"], (0, 2, 1), True) == ["user", "1", "item"]


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


@pytest.mark.parametrize("labels", [[0, 1], ["column_0", "column_1"]])
def test_two_columns_without_names_are_pairs_but_not_ratings(labels: list[Any]) -> None:
    assert find_columns(labels, None, with_ratings=False) == labels
    three: list[Any] = [*labels, 2]
    with pytest.raises(ValueError, match="cannot tell the column of user, item and rating"):
        find_columns(three, None, with_ratings=True)
