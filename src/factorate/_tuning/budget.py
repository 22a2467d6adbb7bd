"""Budget: how long a search may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorate._utils.validation import check_count, check_number

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long to search.

    Attributes
    ----------
    n_trials : int
        Maximum number of settings to try, those of the default included.
    seconds : float or None
        Seconds after which no further training begins; None for no limit.
    n_folds : int or None
        Number of folds; None to hold out a tenth as often as the number of ratings needs.
    """

    n_trials: int
    seconds: float | None
    n_folds: int | None


def check_budget(parameters: Mapping[str, Any]) -> Budget:
    """Return the budget that the parameters of a model describe, or raise an error."""
    seconds, n_folds = parameters["seconds"], parameters["cv"]
    return Budget(
        n_trials=check_count("n_trials", parameters["n_trials"], 1),
        seconds=None if seconds is None else check_number("seconds", seconds, above=0),
        n_folds=None if n_folds is None else check_count("cv", n_folds, 2),
    )


def check_no_eval_set(budget: Budget) -> None:
    """Raise ValueError if a number of folds is set, because there is an `eval_set` instead."""
    if budget.n_folds is not None:
        raise ValueError(
            f"cv is {budget.n_folds}, but settings are chosen on the eval_set; drop one of them"
        )
