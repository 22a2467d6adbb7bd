"""Random streams: the same numbers in every version of NumPy."""

from __future__ import annotations

import numpy as np

from factorate._utils.random_streams import permutation, stream, uniform


def test_streams_differ_only_by_seed_and_purpose() -> None:
    streams = [stream(0), stream(1), stream(0, 1), stream(0, 1, 2), stream(0, 2, 1)]
    firsts = [bits.random_raw(4).tolist() for bits in streams]
    assert len({tuple(first) for first in firsts}) == len(firsts)
    assert stream(0, 1, 2).random_raw(4).tolist() == firsts[3]


def test_the_numbers_of_a_stream_never_change() -> None:
    # From numpy.random.SeedSequence and PCG64, whose output NumPy promises to keep.
    assert permutation(5, stream(0)).tolist() == [3, 2, 1, 0, 4]
    assert uniform(2, stream(7, 3)).tolist() == [0.9823227993863488, 0.06095134637418598]


def test_permutations_hold_each_number_once() -> None:
    shuffled = permutation(1000, stream(3))
    assert sorted(shuffled.tolist()) == list(range(1000))
    assert shuffled.tolist() != list(range(1000))


def test_uniform_numbers_are_below_one_and_fill_the_interval() -> None:
    numbers = uniform(100_000, stream(5))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, 10, (0, 1))[0]
    assert np.abs(counts - 10_000).max() < 500  # five standard deviations
