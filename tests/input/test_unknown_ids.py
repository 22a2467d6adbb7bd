"""One warning names the unknown users and items."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from factorate._input.unknown_ids import IN_RATINGS, warn_unknown
from factorate.exceptions import UnknownIdError, UnknownIdWarning


def test_unknown_users_and_items_are_counted_and_named() -> None:
    users = ["a", "b", "c", "d", "e", "b"], np.array([-1, -1, -1, 0, -1, -1], np.int32)
    items = [1, 2], np.array([0, -1], np.int32)
    message = (
        r"^5 of 6 users are unknown \('a', 'b', 'c'\); 1 of 2 items are unknown \(2\): "
        "their ratings are left out$"
    )
    with pytest.warns(UnknownIdWarning, match=message) as caught:
        warn_unknown(users, items, IN_RATINGS, stacklevel=1)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_known_ids_do_not_warn() -> None:
    known = [1, 2], np.array([0, 1], np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unknown(known, known, IN_RATINGS, stacklevel=1)


def test_the_policy_selects_a_warning_an_error_or_neither() -> None:
    users, items = (["a"], np.array([-1], np.int32)), ([1], np.array([0], np.int32))
    with pytest.raises(
        UnknownIdError,
        match=r"\('a'\); with unknown='ignore', their ratings are left out$",
    ):
        warn_unknown(users, items, IN_RATINGS, stacklevel=1, policy="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unknown(users, items, IN_RATINGS, stacklevel=1, policy="ignore")
    with pytest.raises(
        ValueError, match="unknown is 'never'; expected 'warn', 'ignore' or 'raise'"
    ):
        warn_unknown(users, items, IN_RATINGS, stacklevel=1, policy="never")  # type: ignore[arg-type]
