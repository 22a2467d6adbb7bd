"""ft.matrix_factorization equals the textbook's loop for matrices of any form."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optional import pandas as pd
from optional import polars as pl
from optional import present, scipy
from optional import pyarrow as pa

import factorate as ft
from factorate import reference


def small() -> tuple[Any, Any, Any]:
    generator = np.random.default_rng(3)
    R = generator.integers(0, 6, (9, 7)).astype(np.float64)
    R[generator.random(R.shape) < 0.4] = 0
    return R, generator.random((9, 4)), generator.random((7, 4))


def test_the_textbook_example_is_reproduced_to_within_0_2() -> None:
    R, P, Q = ft.datasets.textbook()
    np.testing.assert_array_equal(
        R, [[5, 3, 0, 1], [4, 0, 0, 1], [1, 1, 0, 5], [1, 0, 0, 4], [0, 1, 5, 4], [2, 1, 3, 0]]
    )
    assert P.shape == (6, 3)
    assert Q.shape == (4, 3)
    P, Q = ft.matrix_factorization(R, P, Q, 3)
    filled = P @ Q.T
    assert np.abs(filled - R)[R > 0].max() < 0.2
    assert filled[R == 0].min() > 0.5
    assert filled[R == 0].max() < 5.5


@pytest.mark.usefixtures("isa")
def test_every_instruction_set_agrees_with_the_reference() -> None:
    arguments = (*ft.datasets.textbook(), 3, 1000)
    for got, expected in zip(
        ft.matrix_factorization(*arguments), reference.matrix_factorization(*arguments), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    K=st.integers(1, 9),
    steps=st.integers(0, 5),
    alpha=st.floats(1e-5, 0.02),
    beta=st.floats(0, 0.5),
)
def test_any_matrix_agrees_with_the_reference(
    seed: int, shape: tuple[int, int], K: int, steps: int, alpha: float, beta: float
) -> None:
    generator = np.random.default_rng(seed)
    R = np.where(generator.random(shape) < 0.5, generator.normal(2, 2, shape), 0)
    P, Q = generator.random((shape[0], K)), generator.random((shape[1], K))
    got = ft.matrix_factorization(R, P, Q, K, steps, alpha, beta)
    expected = reference.matrix_factorization(R, P, Q, K, steps, alpha, beta)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_the_item_update_uses_the_new_user_factor() -> None:
    P, Q = ft.matrix_factorization([[3.0]], [[1.0]], [[2.0]], 1, 1, alpha=0.1, beta=0.0)
    assert P[0, 0] == pytest.approx(1 + 0.1 * 2 * 1 * 2)
    assert Q[0, 0] == pytest.approx(2 + 0.1 * 2 * 1 * P[0, 0])


def read_only(a: Any) -> Any:
    a = a.copy()
    a.flags.writeable = False
    return a


FORMS: dict[str, Callable[[Any], Any]] = {
    "read-only": read_only,
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "big-endian": lambda a: a.astype(">f8"),
    "list": lambda a: a.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_layout_gives_the_same_bits(form: str) -> None:
    R, P, Q = small()
    expected = ft.matrix_factorization(R, P, Q, 4, 20)
    R, P, Q = (FORMS[form](a) for a in (R, P, Q))
    got = ft.matrix_factorization(R, P, Q, 4, 20)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16, np.float32, ">i4"])
def test_any_number_type_gives_the_same_bits(kind: Any) -> None:
    R, P, Q = small()
    expected = ft.matrix_factorization(R, P, Q, 4, 20)
    got = ft.matrix_factorization(R.astype(kind), P, Q, 4, 20)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def wide_pandas(R: Any) -> pd.DataFrame:
    return pd.DataFrame(R, index=list("abcdefghi"), columns=list("tuvwxyz"))


def wide_polars(R: Any) -> pl.DataFrame:
    return pl.DataFrame(R, schema=list("tuvwxyz"))


@pytest.mark.parametrize(
    "form",
    [
        scipy.sparse.csr_array,
        scipy.sparse.csc_matrix,
        scipy.sparse.coo_array,
        scipy.sparse.lil_matrix,
        scipy.sparse.dok_array,
        wide_pandas,
        wide_polars,
    ],
)
def test_sparse_and_frames_give_the_same_bits(form: Callable[[Any], Any]) -> None:
    R, P, Q = small()
    expected = ft.matrix_factorization(R, P, Q, 4, 20)
    for a, b in zip(ft.matrix_factorization(form(R), P, Q, 4, 20), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_nan_is_missing_in_a_pivoted_frame() -> None:
    """Regression: a frame that pandas' pivot returns is a matrix of ratings."""
    R, P, Q = small()
    users, items = np.nonzero(R)
    long = pd.DataFrame({"userId": users, "movieId": items, "rating": R[users, items]})
    wide = long.pivot(index="userId", columns="movieId", values="rating")
    present(pa)  # for `to_arrow`
    in_polars = pl.DataFrame(long.sort_values("movieId").to_dict("list")).pivot(
        "movieId", index="userId", values="rating"
    )
    in_arrow = in_polars.sort("userId").to_arrow()
    expected = ft.matrix_factorization(R, P, Q, 4, 20)
    for form in (wide, wide.convert_dtypes(), in_polars.sort("userId"), in_arrow.to_reader()):
        for a, b in zip(ft.matrix_factorization(form, P, Q, 4, 20), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_table_with_a_row_for_each_rating_is_not_a_matrix() -> None:
    frame = pd.DataFrame({"userId": [1, 2], "movieId": [10, 20], "rating": [5.0, 3.0]})
    with pytest.raises(ValueError, match=r"frame\.pivot\(index='userId', columns='movieId'"):
        ft.matrix_factorization(frame, np.ones((2, 1)), np.ones((3, 1)), 1)


def test_a_sparse_matrix_is_never_made_dense() -> None:
    n = 2_000_000
    R = scipy.sparse.coo_array(([5.0, 3.0], ([0, n - 1], [n - 1, 0])), shape=(n, n))
    P, Q = ft.matrix_factorization(R, np.ones((n, 1)), np.ones((n, 1)), 1, steps=1)
    assert P[0, 0] > 1
    assert P[1, 0] == 1
    assert Q[0, 0] > 1


def test_only_positive_entries_are_observed() -> None:
    R, P, Q = small()
    negative = np.where(R == 0, -1.0, R)
    for a, b in zip(
        ft.matrix_factorization(R, P, Q, 4, 20),
        ft.matrix_factorization(negative, P, Q, 4, 20),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_entries_that_a_sparse_matrix_stores_twice_are_summed() -> None:
    """Regression: the sum is exact where it overflows the integer type of the matrix."""
    twice = scipy.sparse.coo_array((np.array([100, 100], np.int8), ([0, 0], [0, 0])), shape=(1, 1))
    start = [[1.0]], [[1.0]]
    for a, b in zip(
        ft.matrix_factorization(twice, *start, 1, 5),
        ft.matrix_factorization([[200]], *start, 1, 5),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_arguments_are_not_changed() -> None:
    R, P, Q = small()
    before = R.copy(), P.copy(), Q.copy()
    ft.matrix_factorization(R, P, Q, 4, 20)
    ft.matrix_factorization(scipy.sparse.csr_array(R), P, Q, 4, 20)
    for a, b in zip((R, P, Q), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_steps_or_ratings_the_initial_factors_are_returned() -> None:
    R, P, Q = small()
    for matrix, steps in ((R, 0), (np.zeros_like(R), 5)):
        got = ft.matrix_factorization(matrix, P, Q, 4, steps)
        assert got[0] is not P
        np.testing.assert_array_equal(got[0], P)
        np.testing.assert_array_equal(got[1], Q)


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "NaN": ({"R": [[1, np.nan]]}, ValueError, r"R\[0, 1\] is nan"),
    "None": ({"R": [[1, None]]}, ValueError, r"R\[0, 1\] is nan"),
    "object": ({"R": [[1, {}]]}, TypeError, r"R\[0, 1\] is \{\}; expected a real number"),
    "ragged": ({"R": [[1, 2], [1]]}, ValueError, "row 1 has 1 entries where row 0 has 2"),
    "infinity": ({"R": [[1, np.inf]]}, ValueError, r"R\[0, 1\] is inf"),
    "sparse NaN": ({"R": scipy.sparse.coo_array([[1, np.nan]])}, ValueError, r"R\[0, 1\] is nan"),
    "sparse in three dimensions": (
        {"R": scipy.sparse.coo_array(np.ones((1, 2, 2)))},
        ValueError,
        r"shape \(1, 2, 2\)",
    ),
    "no dimension": ({"R": np.array(5)}, ValueError, r"shape \(\); expected \(n_users, n_items\)"),
    "one dimension": ({"R": [1, 2]}, ValueError, r"shape \(2,\); expected \(n_users, n_items\)"),
    "complex": ({"R": [[1j, 2]]}, TypeError, "complex128; expected real numbers"),
    "text": ({"R": [["a", "b"]]}, TypeError, "expected real numbers"),
    "P shape": ({"P": [[1.0]]}, ValueError, r"P has shape \(1, 1\); expected \(1, 2\)"),
    "Q shape": ({"Q": [[1.0, 1.0]]}, ValueError, r"Q has shape \(1, 2\)"),
    "P NaN": ({"P": [[1.0, np.nan]]}, ValueError, r"P\[0, 1\] is nan"),
    "K": ({"K": 0}, ValueError, "K is 0; expected an integer ≥ 1"),
    "K kind": ({"K": 2.0}, TypeError, r"K is 2\.0; expected an integer"),
    "steps": ({"steps": -1}, ValueError, "steps is -1; expected an integer ≥ 0"),
    "alpha zero": ({"alpha": 0}, ValueError, "alpha is 0; expected a finite number > 0"),
    "alpha NaN": ({"alpha": np.nan}, ValueError, "alpha is nan"),
    "alpha text": ({"alpha": "a"}, TypeError, "alpha is 'a'"),
    "beta": ({"beta": -0.1}, ValueError, r"beta is -0\.1; expected a finite number ≥ 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_invalid_argument(case: str) -> None:
    changed, error, message = present(BAD[case])
    good: dict[str, Any] = {"R": [[1, 2]], "P": np.ones((1, 2)), "Q": np.ones((2, 2)), "K": 2}
    with pytest.raises(error, match=message):
        ft.matrix_factorization(**(good | changed))


def test_divergence_raises_an_error() -> None:
    with pytest.raises(ft.DivergenceError, match=r"alpha=1\.0; try half"):
        ft.matrix_factorization([[5.0, 3.0]], [[1.0]], [[1.0], [1.0]], 1, 5000, alpha=1.0)


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a POSIX timer")
def test_ctrl_c_interrupts_a_long_call() -> None:
    R, P, Q = ft.datasets.textbook()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            ft.matrix_factorization(R, P, Q, 3, steps=10**9)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
