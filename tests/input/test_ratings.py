"""Every form of input the design names, its edges, and what is refused."""

from __future__ import annotations

import array
import gzip
import sys
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import polars as pl
from optional import present, scipy
from optional import pyarrow as pa

from factorate._input import files
from factorate._input.ratings import Ratings, read_pairs, read_ratings

FLOAT = np.dtype(np.float32)
USERS, ITEMS, VALUES = [2, 0, 1, 0], [0, 1, 1, 0], [5.0, 3.0, -1.0, 2.5]


def read(data: Any, y: Any = None, **names: Any) -> Ratings:
    return read_ratings(data, y, dtype=FLOAT, **names)


def content(ratings: Ratings) -> list[tuple[Any, Any, float]]:
    users = ratings.user_index.ids[ratings.users].tolist()
    items = ratings.item_index.ids[ratings.items].tolist()
    return sorted(zip(users, items, ratings.values.tolist(), strict=True))


EXPECTED = sorted(zip(USERS, ITEMS, VALUES, strict=True))
FRAME = {"user": USERS, "item": ITEMS, "rating": VALUES}
SPARSE = scipy.sparse.coo_array((VALUES, (USERS, ITEMS)), shape=(3, 2))

FORMS: dict[str, tuple[Any, ...]] = {
    "tuple of lists": ((USERS, ITEMS, VALUES),),
    "tuple of arrays": ((np.array(USERS), np.array(ITEMS, np.uint8), np.array(VALUES)),),
    "tuple of series": ((pd.Series(USERS), pl.Series(ITEMS), pa.array(VALUES)),),
    "big-endian": ((np.array(USERS, ">i4"), np.array(ITEMS, ">i2"), np.array(VALUES, ">f8")),),
    "strided": ((np.array(USERS)[::-1][::-1], np.array(ITEMS), np.repeat(VALUES, 2)[::2]),),
    "X and y": (np.stack([USERS, ITEMS], 1), VALUES),
    "list X and y": ([list(pair) for pair in zip(USERS, ITEMS, strict=True)], VALUES),
    "frame X and y": (pd.DataFrame({"a": USERS, "b": ITEMS}), VALUES),
    "y as a column": (np.stack([USERS, ITEMS], 1), np.array(VALUES)[:, None]),
    "pandas": (pd.DataFrame(FRAME),),
    "pandas nullable": (pd.DataFrame(FRAME).convert_dtypes(),),
    "polars": (pl.DataFrame(FRAME),),
    "polars lazy": (pl.LazyFrame(FRAME),),
    "pyarrow": (pa.table(FRAME),),
    "coo": (SPARSE,),
    "csr": (SPARSE.tocsr(),),
    "csc matrix": (scipy.sparse.csc_matrix(SPARSE),),
    "lil": (SPARSE.tolil(),),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_ratings(form: str) -> None:
    ratings = read(*present(FORMS[form]))
    assert content(ratings) == EXPECTED
    assert ratings.values.dtype == FLOAT
    assert ratings.users.dtype == ratings.items.dtype == np.int32


def test_a_dense_matrix_has_its_entries_that_are_neither_0_nor_nan() -> None:
    R = np.array([[5, 0, np.nan, -1], [0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]])
    expected = [(0, 0, 5.0), (0, 3, -1.0), (2, 1, 2.0)]
    assert content(read(R)) == expected
    assert content(read(R.tolist())) == expected
    assert content(read(pd.DataFrame(R).to_numpy())) == expected
    assert content(read(np.nan_to_num(R).astype(np.int8))) == expected


def test_nothing_in_a_matrix_of_objects_is_not_observed() -> None:
    """Regression: None made it a matrix of objects, which was refused for its first entry."""
    rows = [[5, None, 0.5, 0], [None, Decimal("1.5"), 0, np.nan]]
    expected = [(0, 0, 5.0), (0, 2, 0.5), (1, 1, 1.5)]
    assert content(read(rows)) == expected
    assert content(read(np.array(rows))) == expected
    assert content(read(pd.DataFrame(rows, dtype=object).to_numpy())) == expected


def test_a_matrix_keeps_its_empty_rows() -> None:
    ratings = read(np.array([[5, 0, 0, 1], [0, 0, 0, 0]]))
    assert len(ratings.user_index.ids) == 2
    assert len(ratings.item_index.ids) == 4
    assert len(read(scipy.sparse.coo_array(([1.0], ([0], [0])), (3, 9))).item_index.ids) == 9


def test_zeros_and_duplicates_count_in_columns_and_stored_entries() -> None:
    columns = [0, 0, 1], [1, 1, 0], [0.0, 0.0, 4.0]
    expected = [(0, 1, 0.0), (0, 1, 0.0), (1, 0, 4.0)]
    assert content(read(columns)) == expected
    assert content(read(pd.DataFrame(dict(zip("abc", columns, strict=True))))) == expected
    stored = scipy.sparse.coo_array((columns[2], (columns[0], columns[1])), shape=(2, 2))
    assert content(read(stored)) == expected


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


def test_exactly_three_other_columns_are_taken_in_order() -> None:
    frame = pl.DataFrame({"x": USERS, "y": ITEMS, "z": VALUES})
    assert content(read(frame)) == EXPECTED


def test_a_wide_table_of_three_items_is_not_taken_for_columns() -> None:
    """Regression: the ratings of three items were taken for users, items and ratings."""
    long = pd.DataFrame({"who": USERS, "what": [0, 1, 2, 0], "stars": VALUES})
    wide = long.pivot(index="who", columns="what", values="stars")
    unnamed = wide.rename_axis(index=None, columns=None).set_axis(["ann", "bob", "cy"])
    for frame in (wide, unnamed):
        with pytest.raises(ValueError, match=r"labelled index.*columns=\(…\).*coo_array"):
            read(frame)
    table = scipy.sparse.coo_array(wide.fillna(0).to_numpy())
    assert [rating for _, _, rating in content(read(table))] == [2.5, 3.0, -1.0, 5.0]


def test_the_index_that_a_filter_leaves_is_no_label() -> None:
    frame = pd.DataFrame({"x": USERS, "y": ITEMS, "z": VALUES})
    assert content(read(frame.sample(frac=1, random_state=0))) == EXPECTED
    assert len(read(frame[frame.z > 0]).values) == 3
    named = frame.set_index(pd.Index(list("abcd"), name="review"))
    assert content(read(named, names=("x", "y", "z"))) == EXPECTED


def test_three_columns_of_which_some_are_known_are_taken_in_order() -> None:
    frame = pl.DataFrame({"user": USERS, "product": ITEMS, "rating": VALUES})
    assert content(read(frame)) == EXPECTED


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_masked_and_matrix_arrays_are_what_they_mean() -> None:
    masked = np.ma.array(
        [[5, 7, 0, 1], [0, 0, 0, 2]], mask=np.array([[0, 1, 0, 0], [0, 0, 0, 0]], bool)
    )
    assert content(read(masked)) == [(0, 0, 5.0), (0, 3, 1.0), (1, 3, 2.0)]
    assert content(read(np.asmatrix([[5, 0, 0, 1]]))) == [(0, 0, 5.0), (0, 3, 1.0)]


def test_zoned_datetimes_are_the_same_ids_in_any_form() -> None:
    """Regression: DataFrames lost the zone, so that the same ids were unknown."""
    times = pd.Series(pd.date_range("2020-01-01", periods=4, tz="Europe/Berlin"))
    forms: list[Any] = [
        (times, ITEMS, VALUES),
        pd.DataFrame({"user": times, "item": ITEMS, "rating": VALUES}),
        pl.DataFrame({"user": times.to_list(), "item": ITEMS, "rating": VALUES}),
    ]
    first = read(forms[0])
    for form in forms:
        assert read(form).user_index.kind == "zoned datetime"
        assert read_pairs(form, first.user_index, first.item_index)[0].tolist() == [0, 1, 2, 3]


def test_columns_can_be_named() -> None:
    frame = pd.DataFrame({"r": VALUES, "who": USERS, "what": ITEMS, "user": 7})
    assert content(read(frame, names=("who", "what", "r"))) == EXPECTED


def test_categories_and_text_are_ids() -> None:
    text = ["c", "a", "b", "a"]
    frames: list[Any] = [
        pd.DataFrame({"user": pd.Categorical(text), "item": ITEMS, "rating": VALUES}),
        pd.DataFrame({"user": text, "item": ITEMS, "rating": VALUES}),
        pl.DataFrame({"user": text, "item": ITEMS, "rating": VALUES}),
        pl.DataFrame(
            {"user": pl.Series(text, dtype=pl.Categorical), "item": ITEMS, "rating": VALUES}
        ),
        pa.table({"user": pa.array(text).dictionary_encode(), "item": ITEMS, "rating": VALUES}),
    ]
    for frame in frames:
        ratings = read(frame)
        assert ratings.user_index.ids.tolist() == ["a", "b", "c"]
        assert ratings.users.tolist() == [2, 0, 1, 0]


def test_categories_that_nobody_uses_are_no_ids() -> None:
    users = pd.Categorical(["b", "a", "b"], categories=["d", "c", "b", "a"])
    frame = pd.DataFrame({"user": users, "item": [1, 2, 3], "rating": [1.0, 2.0, 3.0]})
    ratings = read(frame)
    assert ratings.user_index.ids.tolist() == ["a", "b"]
    assert ratings.users.tolist() == [1, 0, 1]


DAYS = np.array(["2020-01-02", "2019-05-05", "2020-01-02"], "M8[us]")
CATEGORIES: dict[str, tuple[list[Any], str]] = {
    "integers": ([30, -10, 30], "integer"),
    "bools": ([True, False, True], "bool"),
    "datetimes": (DAYS.tolist(), "datetime"),
    "zoned datetimes": ([day.replace(tzinfo=UTC) for day in DAYS.tolist()], "zoned datetime"),
    "text": (["b", "a", "b"], "str"),
}


@pytest.mark.parametrize("case", CATEGORIES)
def test_categories_of_any_kind_are_the_ids_they_stand_for(case: str, tmp_path: Path) -> None:
    """Regression: categories that are no text became the text they are shown as."""
    values, kind = CATEGORIES[case]
    categorical = pd.Series(pd.Categorical(values))
    dictionary = pa.array(values).dictionary_encode()
    in_pandas = pd.Series(dictionary, dtype=pd.ArrowDtype(dictionary.type))
    columns: list[Any] = [
        values, categorical, dictionary, pa.chunked_array([dictionary]), in_pandas
    ]  # fmt: skip
    forms: list[Any] = [(users, ITEMS[:3], VALUES[:3]) for users in columns]
    forms.append(pd.DataFrame({"user": categorical, "item": ITEMS[:3], "rating": VALUES[:3]}))
    forms.append(pa.table({"user": dictionary, "item": ITEMS[:3], "rating": VALUES[:3]}))
    pa.parquet.write_table(forms[-1], tmp_path / "ratings.parquet")
    forms.append(tmp_path / "ratings.parquet")
    first = read(forms[0])
    assert first.user_index.kind == kind
    for form in forms[1:]:
        ratings = read(form)
        assert ratings.user_index.kind == kind
        ids = ratings.user_index.ids.astype(first.user_index.ids.dtype)  # days may count in ns
        assert ids.tolist() == first.user_index.ids.tolist()
        assert ratings.users.tolist() == [1, 0, 1]


def test_categories_that_are_numbers_are_ratings() -> None:
    """Regression: they became text, and were refused."""
    for stars in (pd.Categorical([5, 3, 5]), pa.array([5, 3, 5]).dictionary_encode()):
        library = pd.DataFrame if isinstance(stars, pd.Categorical) else pa.table
        frame = library({"user": USERS[:3], "item": ITEMS[:3], "rating": stars})
        assert read(frame).values.tolist() == [5, 3, 5]
    with pytest.raises(TypeError, match=r"ratings\[0\] is 'good'; expected a real number"):
        read(pl.DataFrame({"user": [1], "item": [1], "rating": ["good"]}))


def test_text_of_a_frame_is_the_same_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"user": ["b", "a", "ü"], "item": ITEMS[:3], "rating": VALUES[:3]})
    expected = read(frame)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    got = read(frame)
    assert got.user_index.ids.tolist() == expected.user_index.ids.tolist()
    assert got.users.tolist() == expected.users.tolist()
    users, _, columns = read_pairs(
        pl.DataFrame({"user": ["x", "a"], "item": [0, 1]}), got.user_index, got.item_index
    )
    assert users.tolist() == [-1, 0]
    assert columns.users[0] == "x"


def test_ratings_may_be_any_real_numbers() -> None:
    for values in (
        [True, False], [1, 2], [Decimal("1.5"), 2], np.array([1, 2], np.uint8),
        np.array([1.5, 2], np.float16), np.array([1, 2], object),
    ):  # fmt: skip
        assert len(read(([0, 1], [0, 1], values)).values) == 2


def test_pairs_come_in_the_same_forms() -> None:
    ratings = read((USERS, ITEMS, VALUES))
    forms: list[Any] = [
        np.stack([USERS, ITEMS], 1),
        (USERS, ITEMS),
        [list(p) for p in zip(USERS, ITEMS, strict=True)],
        pd.DataFrame({"user": USERS, "item": ITEMS}),
        pl.DataFrame({"x": USERS, "y": ITEMS}),
        pd.DataFrame(FRAME),
        (USERS, ITEMS, VALUES),
        SPARSE,
    ]
    for form in forms:
        users, items, _ = read_pairs(form, ratings.user_index, ratings.item_index)
        assert users.tolist() == USERS
        assert items.tolist() == ITEMS


def test_a_list_of_three_pairs_is_no_list_of_three_columns() -> None:
    """Regression: any list of three rows was refused as ambiguous."""
    pairs = [["ann", "tea"], ["bob", "rye"], ["cy", "jam"]]
    ratings = read(pairs, [5, 3, 4])
    assert content(ratings) == [("ann", "tea", 5.0), ("bob", "rye", 3.0), ("cy", "jam", 4.0)]
    users, _, _ = read_pairs(pairs, ratings.user_index, ratings.item_index)
    assert users.tolist() == [0, 1, 2]


def test_rows_may_be_of_any_sequence() -> None:
    """Regression: only lists, tuples and arrays had a length."""
    for rows in ([range(1, 5), [1, 2, 3, 4]], [array.array("i", [1, 2, 3, 4]), (1, 2, 3, 4)]):
        assert read(rows).values.tolist() == [1, 2, 3, 4, 1, 2, 3, 4]


def test_masked_entries_of_a_matrix_of_objects_are_missing() -> None:
    """Regression: the mask was dropped, and what it hid was trained on."""
    entries = np.array([[5, 3, 0, 1], [4, 0, 0, 1]], object)
    excluded = np.array([[True, False, False, False], [False] * 4])
    assert read(np.ma.MaskedArray(entries, excluded)).values.tolist() == [3, 1, 4, 1]


def test_pairs_beside_a_labelled_index_are_pairs() -> None:
    """Regression: they were taken for what might be a wide table."""
    frame = present(pd).DataFrame({"who": [1, 2], "what": [3, 4], "when": [0, 0]}, index=["a", "b"])
    ratings = read(frame, [1, 2])
    assert content(ratings) == [(1, 3, 1.0), (2, 4, 2.0)]
    users, items, _ = read_pairs(frame, ratings.user_index, ratings.item_index)
    assert (users.tolist(), items.tolist()) == ([0, 1], [0, 1])


def test_a_dense_matrix_is_no_pairs() -> None:
    """Regression: each of its entries was taken for a pair."""
    ratings = read(present(SPARSE))
    for matrix in (np.ones((3, 4)), np.ones((3, 1), int), [[1, 2, 3, 4]]):
        with pytest.raises(ValueError, match=r"have shape \(n, 2\); got .*coo_array\(a\)"):
            read_pairs(matrix, ratings.user_index, ratings.item_index)


# Files


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    pd.DataFrame(FRAME).to_csv(path, index=False)
    return path


def test_csv_and_parquet_are_read(csv: Path, tmp_path: Path) -> None:
    assert content(read(csv)) == EXPECTED
    assert content(read(str(csv))) == EXPECTED
    pa.parquet.write_table(pa.table(FRAME), tmp_path / "ratings.parquet")
    assert content(read(tmp_path / "ratings.parquet")) == EXPECTED
    (tmp_path / "ratings.csv.gz").write_bytes(gzip.compress(csv.read_bytes()))
    assert content(read(tmp_path / "ratings.csv.gz")) == EXPECTED
    (tmp_path / "ratings.tsv").write_text(csv.read_text().replace(",", "\t"))
    assert content(read(tmp_path / "ratings.tsv")) == EXPECTED


def test_a_line_with_a_nul_is_not_the_line_at_fault(tmp_path: Path) -> None:
    """Regression: it was called no UTF-8, which it is."""
    (tmp_path / "r.csv").write_bytes(b"user,item,rating\na\0b,1,3\nc,1,\n")
    with pytest.raises(ValueError, match=r"r\.csv, line 3"):
        read(tmp_path / "r.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item,rating\n1,2,3\n1,2\n", r"line 3: 2 fields where the header has 3: '1,2'"),
        ("user,item,rating\n1,2,3\n1,2,3,4\n", r"line 3: 4 fields"),
        ("user,item,rating\n1,2,3\n1,3,good\n", r"line 3: rating is 'good', which is no number"),
        ('user,item,Rating\n"a\nb",2,3\nc,3,bad\n', r"line 4: Rating is 'bad'"),
        ("user,item,rating\n1,2,3\n1,,4\n", "line 3: item is missing; drop the line"),
        ("user,item,rating\n", "there are no ratings"),
        ("", "is empty; expected a header line"),
        ("a,b,c,d\n1,2,3,4\n", r"columns=\('user', 'item', 'rating'\)"),
    ],
)
def test_a_csv_line_that_does_not_parse_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,5,6\n", "line 1: '1,2,3' looks like a rating; put a header line"),
        (",,a\n1,2,3\n", "line 1: two columns are named ''; rename one"),
        ("\ufeffrating,user,item\n3,1,2\nx,1,3\n", "line 3: rating is 'x'"),
        ("user,item,rating\n1,2,3\n1,3,1_000\n", "line 3: rating is '1_000'"),
        ("user,item,rating\n1,2,3\n1,3,\n", "line 3: rating is missing"),
        ("user,item,rating\n1,2,3\n1,3,nan\n", "line 3: rating is 'nan', which is no finite"),
        ("user,item,rating\n1,2,3\n1,3,1e999\n", "line 3: rating is '1e999', which is no finite"),
        ("ann,tea,5\nbob,rye,3\n", "bad.csv, line 1: .*'5'.* look like a rating; put a header"),
        ("a,b,c,d\n1,2,3,4\n", "bad.csv, line 1: cannot tell the column of user"),
    ],
)
def test_csv_files_as_people_have_them(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read(path)


def test_a_header_that_is_a_rating_is_no_header(tmp_path: Path) -> None:
    """Regression: the first of ratings without a header was lost unless all of it was numbers."""
    path = tmp_path / "pairs.csv"
    path.write_text("ann,tea,5\nbob,rye,3\n")
    index = read((["ann"], ["tea"], [5])).user_index
    with pytest.raises(ValueError, match=r"line 1: .*\['ann', 'tea', '5'\], look like a rating"):
        read_pairs(path, index, index)
    with pytest.raises(ValueError, match="put a header line"):
        read(pd.read_csv(path))
    assert len(read(pd.read_csv(path, header=None)).values) == 2
    assert len(read(path, names=("ann", "tea", "5")).values) == 1


TEXTS = {
    "csv": ["user,item,rating", "a,b,1", "ä,b,1"],
    "jsonl": ['{"user": "a", "item": 1, "rating": 1}', '{"user": "ä", "item": 1, "rating": 1}'],
}


@pytest.mark.parametrize("ending", TEXTS)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_a_file_of_another_encoding_is_named(tmp_path: Path, ending: str, encoding: str) -> None:
    """Regression: of UTF-16, and of JSON in Latin-1, the message was Python's own."""
    lines = TEXTS[ending]
    path = tmp_path / f"bad.{ending}"
    path.write_bytes("\n".join(lines).encode(encoding))
    number = len(lines) if encoding == "latin-1" else 1
    with pytest.raises(ValueError, match=f"bad.{ending}, line {number} is not UTF-8, which is exp"):
        read(path)


def test_other_columns_of_another_encoding_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes("user,item,rating,title\na,b,1,Ä\n".encode("latin-1"))
    assert content(read(path)) == [("a", "b", 1.0)]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_compressed_file_that_is_cut_short_is_named(tmp_path: Path, ending: str) -> None:
    """Regression: the message was that of the library which decompresses, without the file."""
    lines = {
        "csv": ["user,item,rating", *(f"u{n},{n % 7},{n % 5}" for n in range(5000))],
        "jsonl": [f'{{"user": {n}, "item": {n % 7}, "rating": 1}}' for n in range(5000)],
    }
    whole = gzip.compress("\n".join(lines[ending]).encode())
    path = tmp_path / f"ratings.{ending}.gz"
    damaged = whole[:300] + b"xxxx" + whole[304:]
    for content in (whole[: len(whole) // 2], whole[:12], damaged, b"user,item,rating\n1,2,3\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{path.name} is cut short or damaged: "):
            read(path)


def test_blanks_around_integers_and_names_are_no_part_of_them(tmp_path: Path) -> None:
    """Regression: after a blank, an integer was text."""
    (tmp_path / "ratings.csv").write_text("rating, user, item\n3, 1,tea\n4 , 2, rye\n")
    assert content(read(tmp_path / "ratings.csv")) == [(1, "tea", 3.0), (2, " rye", 4.0)]


# JSON lines


def test_ratings_of_json_lines_are_whole_and_broken_numbers(
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


def test_large_integers_of_json_lines_are_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
def test_a_json_line_that_is_no_rating_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setattr(files, "ROWS", 1)
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"user": 1, "item": 1, "rating": 1}}\n{{"user": 1, {text}}}\n')
    with pytest.raises(ValueError, match=f"bad.jsonl.*{message}"):
        read(path)


# Any file


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["7", "12"], [7, 12]),
        (["007", "7"], ["007", "7"]),
        (["0x10", "16"], ["0x10", "16"]),
        (["12345678901234567890", "1"], ["1", "12345678901234567890"]),
        (["-5", "3"], [-5, 3]),
        (["NA", "1"], ["1", "NA"]),
    ],
)
def test_ids_of_a_csv_file_are_integers_only_if_written_so(
    tmp_path: Path, ids: list[str], expected: list[Any]
) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\r\n" + "".join(f"{u},x,1\r\n\r\n" for u in ids))
    assert read(path).user_index.ids.tolist() == expected


def test_pairs_in_a_file_are_read_as_the_model_knows_them(tmp_path: Path) -> None:
    """Regression: pairs whose text ids are all digits were taken for integers."""
    ratings = read((["a", "1"], [1, 2], [1.0, 2.0]))
    (tmp_path / "pairs.csv").write_text("user,item\n1,2\n")
    users, items, _ = read_pairs(tmp_path / "pairs.csv", ratings.user_index, ratings.item_index)
    assert (users.tolist(), items.tolist()) == ([0], [1])


def test_a_file_of_pairs_needs_no_ratings(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("user,item,rating\n1,2,?\n")
    index = read(([1], [2], [1.0])).user_index
    assert read_pairs(tmp_path / "pairs.csv", index, index)[0].tolist() == [0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file '.*absent\.csv'"):
        read(tmp_path / "absent.csv")
    with pytest.raises(IsADirectoryError, match="is a folder; expected the path of a file"):
        read(tmp_path)
    (tmp_path / "ratings.xlsx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"ends in '\.xlsx'; expected \.csv"):
        read(tmp_path / "ratings.xlsx")
    (tmp_path / "ratings.parquet").write_bytes(b"no parquet here")
    with pytest.raises(ValueError, match="is not a Parquet file"):
        read(tmp_path / "ratings.parquet")
    one = pa.array([1])
    twice = pa.Table.from_arrays([one] * 4, names=["user", "item", "rating", "user"])
    pa.parquet.write_table(twice, tmp_path / "ratings.parquet")
    with pytest.raises(ValueError, match="two columns are named 'user'; rename one"):
        read(tmp_path / "ratings.parquet")


# What is refused

NAN, INF = float("nan"), float("inf")
BAD: dict[str, tuple[tuple[Any, ...], type[Exception], str]] = {
    "NaN": ((([1, 2], [1, 2], [1, NAN]),), ValueError, r"ratings\[1\] is nan.*drop it"),
    "infinity": ((([1, 2], [1, 2], [INF, 1]),), ValueError, r"ratings\[0\] is inf"),
    "too large": (
        (([1], [1], [1e39]),),
        ValueError,
        r"ratings\[0\] is 1e\+39.*too large for float32",
    ),
    "NaN in a frame": (
        (pd.DataFrame(FRAME | {"rating": [1, NAN, 2, 3]}),),
        ValueError,
        r"ratings\[1\] is nan",
    ),
    "null in a frame": (
        (pl.DataFrame(FRAME | {"rating": [1, 2, 3, None]}),),
        ValueError,
        r"ratings\[3\] is None",
    ),
    "NaN stored": (
        (scipy.sparse.coo_array(([NAN], ([0], [0]))),),
        ValueError,
        r"ratings\[0\] is nan",
    ),
    "infinity in a matrix": (([[1, 2, 3, INF]],), ValueError, r"R\[0, 3\] is inf"),
    "NaN in y": ((np.ones((2, 2), int), [1, NAN]), ValueError, r"ratings\[1\] is nan"),
    "None rating": ((([1], [1], [None]),), ValueError, r"ratings\[0\] is None"),
    "three columns": ((np.ones((5, 3)),), ValueError, r"tuple\(a\.T\).*coo_array"),
    "three columns as a list": (([[1, 2, 3]],), ValueError, r"tuple\(zip\(\*a\)\)"),
    "no y": ((np.ones((5, 2)),), ValueError, r"fit\(X, y\)"),
    "no y, list": (([[1, 2], [3, 4]],), ValueError, r"fit\(X, y\)"),
    "y with a matrix": ((np.ones((5, 4)), [1] * 5), ValueError, r"X has shape \(n, 2\)"),
    "tuple of two": ((([1], [2]),), ValueError, r"a tuple of 2.*\(users, items, ratings\)"),
    "nothing in columns": ((([], [], []),), ValueError, "there are no ratings"),
    "nothing in a matrix": ((np.zeros((4, 5)),), ValueError, "there are no ratings"),
    "nothing stored": ((scipy.sparse.coo_array((4, 5)),), ValueError, "there are no ratings"),
    "empty frame": (
        (pd.DataFrame({"user": [], "item": [], "rating": []}),),
        ValueError,
        "there are no ratings",
    ),
    "lengths": ((([1, 2], [1], [1, 2]),), ValueError, "2 users, 1 items, 2 ratings"),
    "length of y": ((np.ones((3, 2), int), [1]), ValueError, "3 users, 3 items, 1 ratings"),
    "complex": ((([1], [1], [1j]),), TypeError, r"ratings \(first value .*complex128"),
    "complex matrix": ((np.ones((2, 5), complex),), TypeError, "complex128"),
    "text": ((([1], [1], ["five"]),), TypeError, r"ratings\[0\] is 'five'; expected a real number"),
    "text among objects": (
        (([1, 2], [1, 2], np.array([1, "x"], object)),),
        TypeError,
        r"ratings\[1\] is 'x'",
    ),
    "missing user": (
        (([None, 1], [1, 2], [1, 2]),),
        ValueError,
        r"users\[0\] is None, a missing id",
    ),
    "missing item": (
        (([1, 2], ["a", NAN], [1, 2]),),
        ValueError,
        r"items\[1\] is nan, a missing id",
    ),
    "missing in a frame": (
        (pd.DataFrame(FRAME | {"user": [1, None, 2, 3]}),),
        ValueError,
        r"users\[1\] is nan",
    ),
    "NA in a frame": (
        (pd.DataFrame(FRAME | {"item": pd.array([1, 2, pd.NA, 3])}),),
        ValueError,
        r"items\[2\] is",
    ),
    "mixed ids": ((([1, "a"], [1, 2], [1, 2]),), TypeError, "users mix integer"),
    "float ids": ((([1.0, 2.0], [1, 2], [1, 2]),), TypeError, r"astype\('int64'\)"),
    "no columns": (
        (pd.DataFrame({"a": [1], "b": [1], "c": [1], "d": [1]}),),
        ValueError,
        "columns=",
    ),
    "two candidates": (
        (pd.DataFrame({"user": [1], "user_id": [1], "item": [1], "rating": [1]}),),
        ValueError,
        r"\['user', 'user_id'\]",
    ),
    "wide frame": ((pd.DataFrame(np.ones((3, 5))),), ValueError, r"frame\.to_numpy\(\)"),
    "one dimension": ((np.ones(5),), ValueError, r"shape \(5,\)"),
    "three dimensions": ((np.ones((2, 2, 2)),), ValueError, r"shape \(2, 2, 2\)"),
    "list of columns": (([[1, 2], [1, 2], [1.0, 2.0]],), ValueError, r"pass a tuple \(users"),
    "y with sparse": ((SPARSE, [1, 2, 3, 4]), ValueError, "pass it without y"),
    "masked rating": (
        (([1, 2], [1, 2], np.ma.array([1, 2], mask=[False, True])),),
        ValueError,
        r"ratings\[1\] is masked",
    ),
    "masked id": (
        ((np.ma.array([1, 2], mask=[True, False]), [1, 2], [1, 2]),),
        ValueError,
        r"users\[0\] is masked",
    ),
    "huge integer": ((([1], [1], [10**400]),), ValueError, r"ratings\[0\] is an integer too large"),
    "huge matrix": (
        (scipy.sparse.coo_array(([1.0], ([0], [0])), (2**31, 2)),),
        ValueError,
        "at most 2147483647",
    ),
    "three dimensions, sparse": (
        (scipy.sparse.coo_array(np.ones((2, 2, 2))),),
        ValueError,
        r"\(2, 2, 2\)",
    ),
    "duplicate names": (
        (pd.DataFrame([[1, 1, 1, 1]], columns=["user", "item", "rating", "user"]),),
        ValueError,
        "same name",
    ),
    "no rating column": (
        (pd.DataFrame({"user": [1], "item": [1]}),),
        ValueError,
        "cannot tell the column of rating",
    ),
    "swapped names": (
        (pd.DataFrame({"item": [1], "x": [1], "rating": [1]}),),
        ValueError,
        "cannot tell the column of user",
    ),
    "None": ((None,), TypeError, "got NoneType; expected a DataFrame"),
    "number": ((5,), TypeError, "got int; expected a DataFrame"),
    "dict": (({"user": [1]},), TypeError, "got dict"),
    "scalars": (((1, 2, 3),), TypeError, "users is 1; expected a column, a list or an array"),
    "text for a column": ((("ann", [1], [1]),), TypeError, "users is 'ann'; expected a column"),
    "array of one value": ((([1], np.array(7), [1]),), TypeError, r"items is array\(7\); expected"),
    "set": ((([1, 2], {1, 2}, [1, 2]),), TypeError, "items is a set; pass a list or an array"),
    "view": ((([1], [1], {1: 5}.values()),), TypeError, "ratings is a dict_values; pass a list"),
    "iterator": (((iter([1]), [1], [1]),), TypeError, "users is a list_iterator; pass a list"),
    "scalar y": ((np.ones((2, 2), int), 5), TypeError, "ratings is 5; expected a column"),
    "ragged rows": (
        ([[1, 2, 3, 4], [1, 2]],),
        ValueError,
        "row 1 has 2 entries where row 0 has 4; expected rows of one length",
    ),
    "rows and none": (([[1, 2], 3],), ValueError, "row 1 has 0 entries where row 0 has 2"),
    "text in a matrix": (
        ([[5, 4, 1, 2], [1, None, "x", 1]],),
        TypeError,
        r"R\[1, 2\] is 'x'; expected a real number",
    ),
    "list in a matrix": (([[1, 2, 3, [4]]],), TypeError, r"R\[0, 3\] is \[4\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_rating_is_refused(case: str) -> None:
    arguments, error, message = present(BAD[case])
    with pytest.raises(error, match=message):
        read(*arguments)


def test_a_negative_index_of_a_sparse_matrix_is_refused() -> None:
    matrix = scipy.sparse.coo_array(([1.0, 2.0], ([0, 1], [0, 1])))
    matrix.coords = (np.array([0, -1]), np.array([0, 1]))
    with pytest.raises(ValueError, match="row index -1 of stored entry 1 is negative"):
        read(matrix)


def test_named_columns_that_are_not_there() -> None:
    with pytest.raises(ValueError, match=r"names 'who', which is not among the columns \['user'"):
        read(pd.DataFrame(FRAME), names=("who", "item", "rating"))
    with pytest.raises(ValueError, match="has no rating"):
        read(pd.DataFrame(FRAME), names=("user", "item"))
