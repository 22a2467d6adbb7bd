"""What groups compute of a half-epoch does not depend on where they are cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factorate._cluster.als_steps import chunk_rows
from factorate._training.als_runner import squared_lengths
from factorate._training.gram import add_chunks, gram_of_chunks, gram_of_padded

N = 14_000  # three chunks and a part of one
FACTORS = np.random.default_rng(0).standard_normal((N, 16)).astype(np.float32)
CUTS = st.lists(st.integers(0, N), max_size=6).map(lambda cuts: np.array([0, *sorted(cuts), N]))


@given(CUTS)
def test_the_gram_matrix_of_groups_is_that_of_all_rows(edges: np.typing.NDArray[np.int64]) -> None:
    groups, chunks = np.split(FACTORS, edges[1:-1]), []
    for group in range(len(groups)):
        pieces = [groups[number][rows] for number, rows in chunk_rows(edges, group)]
        if pieces:
            chunks += gram_of_chunks(np.concatenate(pieces), 1)
    np.testing.assert_array_equal(add_chunks(chunks), gram_of_padded(FACTORS, 1))


@given(CUTS)
def test_squared_lengths_of_groups_are_those_of_all_rows(
    edges: np.typing.NDArray[np.int64],
) -> None:
    groups = np.split(FACTORS, edges[1:-1])
    found = np.concatenate([squared_lengths(group) for group in groups])
    np.testing.assert_array_equal(found, squared_lengths(FACTORS))
