"""One warning names the unknown users and items."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from factorate._input.id_column import Encoded
from factorate._input.unknown_ids import (
    IN_SIMILAR,
    RATINGS_MODEL,
    UnknownInBatches,
    warn_unknown,
)
from factorate.exceptions import UnknownIdError, UnknownIdWarning


def test_unknown_users_and_items_are_counted_and_named() -> None:
    users = ["a", "b", "c", "d", "e", "b"], np.array([-1, -1, -1, 0, -1, -1], np.int32)
    items = [1, 2], np.array([0, -1], np.int32)
    message = (
        r"^5 of 6 rows name 4 unknown users \('a', 'b', 'c', …\); 1 of 2 rows names 1 unknown item "
        r"\(2\): "
        "their ratings count in biases only$"
    )
    with pytest.warns(UnknownIdWarning, match=message) as caught:
        warn_unknown(users, items, RATINGS_MODEL.in_training, stacklevel=1)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_known_ids_do_not_warn() -> None:
    known = [1, 2], np.array([0, 1], np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unknown(known, known, RATINGS_MODEL.in_training, stacklevel=1)


def test_the_policy_selects_a_warning_an_error_or_neither() -> None:
    users, items = (["a"], np.array([-1], np.int32)), ([1], np.array([0], np.int32))
    with pytest.raises(
        UnknownIdError,
        match=r"\('a'\); with unknown='ignore', their ratings count in biases only$",
    ):
        warn_unknown(users, items, RATINGS_MODEL.in_training, stacklevel=1, policy="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unknown(users, items, RATINGS_MODEL.in_training, stacklevel=1, policy="ignore")
    with pytest.raises(
        ValueError, match="unknown is 'never'; expected 'warn', 'ignore' or 'raise'"
    ):
        warn_unknown(users, items, RATINGS_MODEL.in_training, stacklevel=1, policy="never")  # type: ignore[arg-type]


@pytest.mark.parametrize("ids", [np.arange(7100) % 3 + 500, None])
def test_rows_and_distinct_ids_are_counted(ids: np.ndarray[Any, Any] | None) -> None:
    """Regression: the rows of unknown users are not counted as users."""
    rows = np.zeros(7100, np.int32)
    rows[50:71] = -1
    known = [1], np.array([0], np.int32)
    names = np.array(["a", "b", "c"], object)
    users = Encoded(names, np.arange(7100, dtype=np.int32) % 3) if ids is None else ids
    shown = "502, 500, 501" if ids is not None else "'c', 'a', 'b'"
    message = rf"^21 of 7,100 rows name 3 unknown users \({shown}\): nothing is found for them$"
    with pytest.warns(UnknownIdWarning, match=message):
        warn_unknown((users, rows), known, IN_SIMILAR, stacklevel=1)


def test_batches_are_counted_together() -> None:
    unknowns = UnknownInBatches(IN_SIMILAR, "warn")
    names = np.array(["a", "b", "c", "d", "e"], object)
    known = np.zeros(3, np.int32)
    unknowns.add((Encoded(names, np.array([2, 0, 2], np.int32)), known - 1), ([1, 2, 3], known))
    unknowns.add((["d", "e", "c"], known - 1), ([4, 5, 6], np.array([0, -1, 0], np.int32)))
    message = (
        r"^6 of 6 rows name unknown users \('c', 'a', 'd', …\); 1 of 6 rows names unknown items "
        r"\(5\): nothing is found for them$"
    )
    with pytest.warns(UnknownIdWarning, match=message) as caught:
        unknowns.warn(stacklevel=1)
    assert caught[0].filename == __file__
