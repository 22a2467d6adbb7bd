"""Continuation: how training continues each row, by its number of ratings before and now.

Of the n ratings of a row, the fraction x is new, which is 1 for a new row. If training of the row
ended with the fraction f of its learning rate, a fit continues with the fraction f + (1 − f) √x, so
the schedule of learning rates does not start again where nothing is new. The initial factors are
(1 − x)^E times the old ones and 1 − (1 − x)^E times random ones, where E is the number of epochs:
training from factors that fit a part of the ratings would end in a worse optimum (Ash and Adams,
"On Warm-Starting Neural Network Training", NeurIPS 2020, section 4). In a fit, x is at least the
fraction of new ratings in those of all rows that were trained before and after.

One pass over further ratings has the fraction √x of its learning rate, and begins at the old
factors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._utils.fixed_order import power

if TYPE_CHECKING:
    from factorate._training.factors import WarmStart
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._utils.types import Doubles, Floats, Rows


class Continuation(NamedTuple):
    """How the rows of one side continue; arrays have an entry for each position.

    Attributes
    ----------
    scales : ndarray
        Factors of the learning rates.
    kept : ndarray
        Fractions of the old factors in the initial ones, for rows that have any.
    pending : ndarray
        Fractions of the learning rate at which training would continue now.
    """

    scales: Doubles
    kept: Doubles
    pending: Doubles


def continue_rows(
    schedule: Schedule, settings: Settings, warm_start: WarmStart | None
) -> tuple[Schedule, tuple[Continuation, Continuation]]:
    """Return the continuation of users and of items, and the schedule with all their ratings.

    Parameters
    ----------
    schedule : Schedule
        The ratings. Of a schedule of further ratings, the counts in the result include the earlier
        ones.
    settings : Settings
        The number of epochs, and whether the rule is AdaGrad, whose accumulators lower the learning
        rates of rows that were trained before.
    warm_start : WarmStart or None
        What training continues from; None for a first fit.
    """
    counts = schedule.user_counts, schedule.item_counts
    if warm_start is None:
        users, items = (
            Continuation(np.ones(len(n)), np.zeros(len(n)), np.ones(len(n))) for n in counts
        )
        return schedule, (users, items)
    orders = schedule.user_order, schedule.item_order
    before = [of_side[order] for of_side, order in zip(warm_start.progress, orders, strict=True)]
    if warm_start.further:
        counts = counts[0] + before[0][:, 0], counts[1] + before[1][:, 0]
        schedule = replace(schedule, user_counts=counts[0], item_counts=counts[1])
    users, items = (
        _continue_side(n, progress, settings, warm_start.further)
        for n, progress in zip(counts, before, strict=True)
    )
    return schedule, (users, items)


def to_progress(
    schedule: Schedule, continuations: tuple[Continuation, Continuation], factor: float
) -> tuple[Doubles, Doubles]:
    """Return the progress of every user and item, with zeros for rows without ratings.

    Parameters
    ----------
    schedule : Schedule
        The ratings.
    continuations : tuple of Continuation
        How training began.
    factor : float
        Factor of the learning rates in the last epoch.

    Returns
    -------
    tuple of ndarray of shape (n_rows, 2)
        The number of ratings of each row, or the sum of their weights; and the fraction of its
        learning rate at which training ended.
    """

    def of_side(n_rows: int, order: Rows, counts: Doubles, pending: Doubles) -> Doubles:
        out = np.zeros((n_rows, 2))
        out[order.astype(np.intp)] = np.column_stack([counts, factor * pending])
        return out

    users, items = continuations
    return (
        of_side(schedule.shape[0], schedule.user_order, schedule.user_counts, users.pending),
        of_side(schedule.shape[1], schedule.item_order, schedule.item_counts, items.pending),
    )


def _continue_side(
    counts: Doubles, progress: Floats, settings: Settings, further: bool
) -> Continuation:
    """Return the continuation of rows with `counts` ratings now."""
    earlier, ended = progress.astype(np.float64, copy=False).T
    new = np.maximum(1 - earlier / counts, 0.0)
    if further:
        scales = np.ones(len(new)) if settings.rule.adagrad else np.sqrt(new)
        return Continuation(scales, np.ones(len(new)), ended + (1 - ended) * new)
    new = np.maximum(new, 1 - np.sum(earlier) / np.sum(counts))
    scales = ended + (1 - ended) * np.sqrt(new)
    n_epochs = settings.n_epochs
    kept = power(1 - new, np.full(len(new), n_epochs)) if n_epochs else np.ones(len(new))
    return Continuation(scales, kept, scales)
