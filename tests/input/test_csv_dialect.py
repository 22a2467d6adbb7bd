"""The separator, the header and the decimal point are found in the first lines."""

from __future__ import annotations

import pytest

from factorate._input.csv_dialect import find_dialect

FOUR = ("user", "item", "rating", "timestamp")


@pytest.mark.parametrize(
    ("text", "sep"),
    [
        ("user,item,rating\n1,2,3\n", ","),
        ("user,item,rating\n1,2,3\n1,2\n", ","),
        ("user;item;rating\n1;2;3,5\n", ";"),
        ("1;2;3,5\n1;2;4,5\n", ";"),
        ("user\titem\trating\n1\tGood, Bad; Ugly\t3\n", "\t"),
        ("1\tGood, Bad, Ugly\t3\n", "\t"),
        ("1::2::3\n", "::"),
        ("1|Bloom, Leopold|3\n2|Dedalus, Stephen|4\n", "|"),
        ("1 2 3.5\n", " "),
        ("user name,item name,rating\nann lee,tea pot,3\nbob ray,rye ale\n", ","),
        ("1,2,3,2020-01-01 10:00:00\n", ","),
        ('"a;b","c;d",3\n"e","f;g",4\n', ","),
        ("user\n1\n2\n", ","),
    ],
)
def test_the_separator_splits_all_lines_alike(text: str, sep: str) -> None:
    assert find_dialect(text).sep == sep


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("user,item,rating\n", None),
        ("userId,movieId,rating,timestamp\n1,2,3,4\n", None),
        ("kunde,artikel,note\n1,2,3\n", None),
        ("kunde,artikel,note\nann,tea,3\n", None),
        ("kunde,artikel\nann,tea\n", None),
        ("User-ID;ISBN;Book-Rating\n276725;034545104X;0\n", None),
        ("kunde;artikel;note\n7;12;3,5\n", None),
        ("1,2,3\n", FOUR[:3]),
        ("ann,tea,5\nbob,rye,3\n", FOUR[:3]),
        ("ann,tea,5\nbob,rye,\n", FOUR[:3]),
        ("1,2,3,978300760\n", FOUR),
        ("1,2,978300760,3\n", ("user", "item", "timestamp", "rating")),
        ("1,2,978300760\n", ("user", "item", "timestamp")),
        ("1488844,3,2005-09-06\n", ("user", "item", "timestamp")),
        ("1,2,3,4\n", ("0", "1", "2", "3")),
        ("ann,3,978300760,978300760\n", ("0", "1", "2", "3")),
        ("1\n2\n", ("id",)),
        ("ann\nbob\n", ("id",)),
        ("ann\n", ("id",)),
        ("ann\n7\n1x\n", ("id",)),
        ("user\nann\nbob\n", None),
        ("movieId\nann\n", None),
        ("id\nann\nbob\n", None),
        ("kunde\n7\n8\n", None),
        ("1,2\n", FOUR[:2]),
        # Regression: pairs of text without a header line were read with one.
        ("ann,tea\nbob,rye\nann,jam\n", FOUR[:2]),
        ("ann,tea\nbob,tea\n", FOUR[:2]),
        ("kunde,artikel\nann,tea\nkunde,artikel\n", None),
        # Regression: a header with an empty name, over empty fields, was read as a row.
        ("kunde;artikel;\nann;tea;\n", None),
    ],
)
def test_a_header_has_a_known_name_or_no_numbers(text: str, names: tuple[str, ...] | None) -> None:
    assert find_dialect(text).names == names


def test_separator_and_header_that_are_given_count() -> None:
    assert find_dialect("1,2;3\n", sep=",", header=True).names is None
    assert find_dialect("user,item\n", header=False).names == ("user", "item")


def test_a_decimal_comma_is_detected() -> None:
    assert find_dialect("1;2;3,5\n").decimal == ","
    assert find_dialect("1;2;3\n").decimal == "."
    assert find_dialect("1;2,5;3.5\n").decimal == "."
    assert find_dialect('1,2,"3,5"\n').decimal == "."
