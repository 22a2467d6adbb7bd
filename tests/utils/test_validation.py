"""Checks of parameters and arrays: what is accepted, and what errors say."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pytest

from factorate._utils.validation import (
    check_column,
    check_count,
    check_flag,
    check_number,
    check_numeric,
    check_rows,
    check_shape,
    check_unmasked,
    escape,
    is_sparse,
    show,
    to_numbers,
)


def test_counts_are_integers_within_bounds() -> None:
    assert check_count("n", np.int64(3), 1, 3) == 3
    assert type(check_count("n", np.int8(3), 1)) is int
    with pytest.raises(TypeError, match=r"n is 3\.0; expected an integer ≥ 1"):
        check_count("n", 3.0, 1)
    with pytest.raises(TypeError, match="n is True; expected an integer ≥ 0"):
        check_count("n", True, 0)
    with pytest.raises(ValueError, match="n is 4; expected an integer from 1 to 3"):
        check_count("n", 4, 1, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 10**400])
def test_numbers_are_finite(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        check_number("x", value)


def test_numbers_are_within_bounds() -> None:
    assert check_number("x", np.float32(0.5), above=0, below=1) == 0.5
    assert check_number("x", 0, minimum=0) == 0.0
    with pytest.raises(ValueError, match=r"x is 0; expected a finite number > 0"):
        check_number("x", 0, above=0)
    with pytest.raises(ValueError, match=r"x is -1; expected a finite number ≥ 0"):
        check_number("x", -1, minimum=0)
    with pytest.raises(ValueError, match=r"x is 1; expected a finite number > 0 and < 1"):
        check_number("x", 1, above=0, below=1)
    with pytest.raises(TypeError, match="x is '1'; expected a finite number"):
        check_number("x", "1")


def test_flags_are_bools_and_nothing_else() -> None:
    assert check_flag("on", np.bool_(True)) is True
    with pytest.raises(TypeError, match="on is 1; expected True or False"):
        check_flag("on", 1)


def test_objects_become_numbers_or_an_error_that_names_the_entry() -> None:
    objects = np.array([[decimal.Decimal("1.5"), 2], [None, 3.0]], object)
    numbers = to_numbers(objects, "ratings", missing=np.nan)
    np.testing.assert_array_equal(numbers, [[1.5, 2], [np.nan, 3]])
    with pytest.raises(ValueError, match=r"ratings\[1, 0\] is None; drop it"):
        to_numbers(objects, "ratings")
    with pytest.raises(TypeError, match=r"ratings\[0\] is '5'; expected a real number"):
        to_numbers(np.array(["5"], object), "ratings")
    with pytest.raises(ValueError, match=r"ratings\[0\] is an integer too large for a float"):
        to_numbers(np.array([10**400], object), "ratings")


@pytest.mark.parametrize("values", [{1, 2}, {"a": 1}, iter([1]), "abc", 3, np.array(3)])
def test_only_columns_are_columns(values: Any) -> None:
    with pytest.raises(TypeError, match="users is"):
        check_column(values, "users")


def test_arrays_of_numbers_pass_and_others_name_their_first_value() -> None:
    check_numeric(np.array([True]), "ratings")
    with pytest.raises(TypeError, match=r"ratings \(first value 'a'\) has dtype <U1"):
        check_numeric(np.array(["a"]), "ratings")


def test_masked_entries_are_missing_values() -> None:
    check_unmasked(np.ma.array([1, 2]), "ratings")
    with pytest.raises(ValueError, match=r"ratings\[1\] is masked"):
        check_unmasked(np.ma.array([1, 2], mask=[False, True]), "ratings")


def test_rows_of_a_nested_list_have_one_length() -> None:
    check_rows([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="row 1 has 1 entries where row 0 has 2"):
        check_rows([[1, 2], [3]])


def test_matrices_have_two_dimensions_of_at_most_int32_rows() -> None:
    assert check_shape((3, 4), "ratings") == (3, 4)
    with pytest.raises(ValueError, match=r"ratings has shape \(3,\); expected"):
        check_shape((3,), "ratings")
    with pytest.raises(ValueError, match="at most 2147483647 rows"):
        check_shape((2**31, 1), "ratings")


def test_texts_in_errors_are_short_and_printable() -> None:
    assert show(np.float64(1.5)) == "1.5"
    assert len(show("x" * 10_000)) < 400
    assert escape("a\x1b[31m\n") == r"a\x1b[31m\n"
    assert not is_sparse(np.zeros((2, 2)))
