"""block_updater: the function that runs the updates of a block, with the kernel that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from factorate._kernels import dispatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._training.packed_ratings import PackedRatings
    from factorate._training.settings import Settings
    from factorate._utils.types import Floats

    Update = Callable[[PackedRatings, int, int], float]

# The plain kernel multiplies the rates of factors by this ratio, which may overflow in float32.
MAX_BIAS_RATIO = 1e6


class Rows(NamedTuple):
    """The parameters and constants of users or items, as a kernel takes them.

    Attributes
    ----------
    factors : ndarray
        Factors.
    columns : ndarray of shape (n, 4)
        What `plain_columns` returns, of which the first column is the bias; with the general
        kernel, the constants that `make_row_constants` returns.
    bias : ndarray
        Biases, which only the general kernel changes.
    accumulators : ndarray of shape (n, 2) or (0, 2)
        Squared-gradient accumulators, which the general kernel needs.
    """

    factors: Floats
    columns: Floats
    bias: Floats
    accumulators: Floats


def block_updater(settings: Settings, users: Rows, items: Rows, *, general: bool) -> Update:
    """Return a function that runs the updates of some tiles and returns their squared error."""
    if general:
        rows_of_both = users.factors, items.factors, users.bias, items.bias
        constants = users.columns, items.columns, users.accumulators, items.accumulators
        rule = _kernel_rule(settings)

        def update_general(ratings: PackedRatings, first: int, end: int) -> float:
            return dispatch.general.train(ratings, first, end, *rows_of_both, *constants, rule)

        return update_general
    rows = users.factors, items.factors, users.columns, items.columns
    rates = settings.rates
    user_ratio = item_ratio = 0.0  # without biases, they stay 0
    if settings.rule.fit_bias:
        user_ratio = rates.user_bias / rates.user_factors
        item_ratio = rates.item_bias / rates.item_factors

    def update(ratings: PackedRatings, first: int, end: int) -> float:
        return dispatch.plain.train(ratings, first, end, *rows, user_ratio, item_ratio)

    return update


def needs_general_kernel(settings: Settings, *, weighted: bool) -> bool:
    """Return whether updates need the general kernel, which is half as fast as the plain one."""
    rule, rates = settings.rule, settings.rates
    is_special = rule.loss != "squared" or rule.adagrad or rule.nonnegative
    is_far = any(rates[kind + 2] >= MAX_BIAS_RATIO * rates[kind] for kind in range(2))
    return is_special or is_far or any(settings.l1) or weighted


def _kernel_rule(settings: Settings) -> dict[str, object]:
    """Return the parameters of a general update: the struct Rule in rule.pxd."""
    rule = settings.rule
    return {
        "l1": settings.l1,
        "loss": rule.loss_number,
        "loss_parameter": rule.loss_parameter,
        "minimum": rule.minimum,
        "proximal": rule.nonnegative or any(settings.l1),
        "adagrad": rule.adagrad,
        "fit_bias": rule.fit_bias,
    }
