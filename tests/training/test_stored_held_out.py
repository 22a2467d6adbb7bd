"""Of a store, the ratings are held out that are held out in memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import in_store, write_store

from factorate._input.ratings import read_ratings
from factorate._training.held_out import HeldOut, split_ratings
from factorate._training.stored_held_out import split_stored_ratings

if TYPE_CHECKING:
    pass


def triples(held_out: HeldOut) -> list[tuple[int, int, float]]:
    columns = held_out.user_rows, held_out.item_rows, held_out.values
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@given(
    seed=st.integers(0, 2**64),
    n=st.integers(2, 100),
    n_users=st.integers(1, 30),
    fraction=st.floats(0.001, 0.9),
    chunk_ratings=st.sampled_from([10, 1000]),
    n_threads=st.integers(1, 3),
    max_candidates=st.sampled_from([0, 3, 1000]),
)
def test_the_same_ratings_are_held_out_as_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    n: int,
    n_users: int,
    fraction: float,
    chunk_ratings: int,
    n_threads: int,
    max_candidates: int,
) -> None:
    generator = np.random.default_rng(n)
    columns = generator.integers(0, n_users, n), generator.integers(0, 5, n), np.arange(n) % 7
    path = tmp_path_factory.mktemp("stores") / "a.store"
    ratings = in_store(write_store(path, columns, chunk_ratings=chunk_ratings))
    options: dict[str, Any] = {"n_threads": n_threads, "max_candidates": max_candidates}
    try:
        _, _, expected = split_ratings(
            read_ratings(columns, dtype=np.dtype("f4")), None, fraction, seed
        )
    except ValueError as error:
        with pytest.raises(ValueError, match=f"^{re.escape(str(error))}$"):
            split_stored_ratings(ratings, fraction, seed, **options)
        return
    training, held_out = split_stored_ratings(ratings, fraction, seed, **options)
    assert triples(held_out) == triples(expected)
    assert held_out.values.dtype == expected.values.dtype
    assert held_out.weights is None
    assert training.n_held_out == len(expected.values)
    assert training.n_ratings + training.n_held_out == n
