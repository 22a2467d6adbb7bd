"""Losses: what each asks of the ratings, and where it puts their centre and unit."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels.general import Loss
from factorate._utils.validation import show

if TYPE_CHECKING:
    from factorate._utils.types import Floats


NAMES = tuple(loss.name.lower() for loss in Loss)
TWO_VALUED = frozenset({"logistic", "hinge", "squared_hinge"})
CHUNK = 1 << 13  # numbers worked on at a time: they stay in the cache
FAINTEST = 0.01  # a lower prediction counts as this under Kullback–Leibler, in mean ratings

logger = logging.getLogger("factorate")


@dataclass(frozen=True)
class UpdateRule:
    """What one visit does, beside the steps it takes.

    Attributes
    ----------
    loss
        One of `NAMES`.
    huber_delta
        Error, in standard deviations of the ratings, beyond which Huber's loss is linear.
    nonnegative
        Whether factors and biases stay ≥ 0.
    adagrad
        Whether each row's rate falls with its own gradients.
    fit_bias
        Whether there are biases.
    """

    loss: str = "squared"
    huber_delta: float = 1.0
    nonnegative: bool = False
    adagrad: bool = False
    fit_bias: bool = True

    def check_same(self, old: UpdateRule) -> None:
        """Raise ValueError if a model would go on by another rule than its scale belongs to."""
        for name in ("loss", "nonnegative", "fit_bias"):
            asked, was = getattr(self, name), getattr(old, name)
            if asked != was:
                raise ValueError(
                    f"{name} is {asked!r}, but the model was fitted with {was!r}; set it back, or "
                    f"fit anew"
                )

    @property
    def code(self) -> int:
        """What the kernel calls the loss."""
        return Loss[self.loss.upper()]

    @property
    def width(self) -> float:
        """The one parameter of the loss."""
        return FAINTEST if self.loss == "kullback_leibler" else self.huber_delta

    @property
    def minimum(self) -> float:
        """The least value of a factor or bias."""
        return 0.0 if self.nonnegative else -np.inf


def check(
    values: Floats,
    rule: UpdateRule,
    known: tuple[float, float] | None = None,
    what: str = "ratings",
) -> None:
    """Raise ValueError if the loss has no meaning for some of the ratings.

    `known` are the least and largest rating of the training that goes on, or is validated.
    """
    if rule.nonnegative and rule.loss not in TWO_VALUED:
        bad = np.flatnonzero(values < 0)
        if len(bad):
            raise ValueError(
                f"{what}[{bad[0]}] is {show(values[bad[0]])}; nonnegative=True expects ratings "
                f"≥ 0: shift them, or drop it"
            )
        if rule.loss == "kullback_leibler" and known is None and not values.any():
            raise ValueError("all ratings are 0; loss='kullback_leibler' expects some above 0")
    if rule.loss in TWO_VALUED:
        low, high = known or (values.min(), values.max())
        bad = np.flatnonzero((values != low) & (values != high))
        if low == high or len(bad):
            where = int(bad[0]) if len(bad) else 0
            seen = "all are equal" if low == high else f"others are {show(low)} and {show(high)}"
            raise ValueError(
                f"{what}[{where}] is {show(values[where])} and {seen}; loss={rule.loss!r} expects "
                f"ratings of two values: choose another loss, or cut them in two"
            )


def moments(values: Floats, weights: Floats | None = None) -> tuple[float, float]:
    """Return mean and standard deviation, summed in float64."""
    mean = float(np.average(values, weights=weights) if weights is not None
                 else np.mean(values, dtype=np.float64))  # fmt: skip
    squares = 0.0
    for first in range(0, len(values), CHUNK):
        part = values[first : first + CHUNK].astype(np.float64)
        part -= mean
        weighted = part if weights is None else part * weights[first : first + CHUNK]
        squares += float(part @ weighted)
    total = len(values) if weights is None else float(np.sum(weights, dtype=np.float64))
    return mean, (squares / total) ** 0.5


def median(values: Floats, weights: Floats | None = None) -> float:
    """Return the number below and above which half of the weight is.

    Examples
    --------
    >>> import numpy as np
    >>> median(np.array([1.0, 2.0, 9.0])), median(np.array([1.0, 2.0, 9.0]), np.array([1, 1, 3]))
    (2.0, 9.0)
    """
    if weights is None:
        return float(np.median(values))
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])


def centre_and_scale(
    values: Floats, rule: UpdateRule, fit_mean: bool, weights: Floats | None = None
) -> tuple[float, float]:
    """Return what is subtracted from the ratings, and by what they are then divided.

    The centre is the number of least loss: the mean for the squared loss, the median for the
    absolute loss and Huber's. Two values become −1 and 1. Where factors are not negative, nothing
    is subtracted; under Kullback–Leibler the unit is the mean.
    """
    if rule.loss in TWO_VALUED:
        low, high = float(values.min()), float(values.max())
        return (low + high) / 2, (high - low) / 2
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = moments(values, weights)
    if not np.isfinite([mean, deviation]).all():
        largest = np.abs(values).max()
        raise ValueError(
            f"ratings are up to {largest:.3g} in size, too large to be squared; divide them"
        )
    if rule.loss == "kullback_leibler":
        return 0.0, mean
    # The spread of equal ratings is rounding, and nothing is gained by blowing it up.
    rounding = float(np.finfo(values.dtype).eps) * abs(mean)
    scale = deviation if deviation > 8 * rounding else 1.0
    if 8 * rounding < deviation < 1000 * rounding:
        logger.warning(
            "ratings differ by %.3g around %.3g, which leaves few digits in %s; subtract a number "
            "from them, or use another dtype", deviation, mean, values.dtype,
        )  # fmt: skip
    if not fit_mean or rule.nonnegative:
        return 0.0, scale
    return (mean if rule.loss == "squared" else median(values, weights)), scale


def mean_loss(
    rule: UpdateRule, ratings: Floats, predicted: Floats, weights: Floats | None = None
) -> float:
    """Return the (weighted) mean loss of predictions, both on the scale of training.

    The losses are ½e², |e|, Huber's (Huber, "Robust Estimation of a Location Parameter", Annals of
    Mathematical Statistics 35(1), 1964), log(1 + exp(−m)), max(0, 1 − m), ½max(0, 1 − m)², with the
    error e = r − r̂ and the margin m = r r̂, and r log(r / r̂) − r + r̂ (Lee and Seung, "Algorithms
    for Non-negative Matrix Factorization", NIPS 2000, eq. 3).

    Examples
    --------
    >>> import numpy as np
    >>> mean_loss(UpdateRule("absolute"), np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    0.25
    """
    ratings, predicted = ratings.astype(np.float64), predicted.astype(np.float64)
    error, margin = np.abs(ratings - predicted), ratings * predicted
    if rule.loss == "squared":
        losses = error**2 / 2
    elif rule.loss == "absolute":
        losses = error
    elif rule.loss == "huber":
        width = rule.huber_delta
        losses = np.where(error <= width, error**2 / 2, width * (error - width / 2))
    elif rule.loss == "logistic":
        losses = np.logaddexp(0, -margin)
    elif rule.loss == "hinge":
        losses = np.maximum(0, 1 - margin)
    elif rule.loss == "squared_hinge":
        losses = np.maximum(0, 1 - margin) ** 2 / 2
    else:
        predicted = np.maximum(predicted, FAINTEST)
        logs = np.log(np.where(ratings > 0, ratings, 1) / predicted)
        losses = np.where(ratings > 0, ratings * logs, 0) - ratings + predicted
    return float(np.average(losses, weights=weights))
