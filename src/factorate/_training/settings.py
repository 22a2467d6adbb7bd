"""Settings: the settings of training, checked from the parameters of a model."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from factorate._training import losses
from factorate._training.learning_rates import DEFAULT_RATES, LEARNING_RATE_SCHEDULES
from factorate._training.per_kind import PerKind, check_per_kind
from factorate._training.sizes import DEFAULT_SIZES, Sizes
from factorate._training.update_rule import LOSSES, UpdateRule
from factorate._utils.cores import count_threads
from factorate._utils.validation import check_count, check_flag, check_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from factorate._input.column_names import Names
    from factorate._training.epoch import Epoch

    Parameters = Mapping[str, Any]
    Callbacks = Sequence[Callable[[Epoch], object]]

MAX_FACTORS = 1 << 16
DEFAULT_REGULARIZATION = {"factors": 0.025, "biases": 0.004}
NO_PENALTY = {"factors": 0.0, "biases": 0.0}
# For ratings centred at their mean or median, towards which rows with few ratings are drawn.
DEFAULT_SHRINKAGE = {"factors": 4.5, "user_bias": 3.3, "item_bias": 2.2}
DEFAULT_PARTIAL_RATES = {"factors": 0.05, "biases": 0.05}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of training; `check_settings` makes them from the parameters of a model.

    Attributes
    ----------
    n_factors : int
        K; 0 for biases alone.
    n_epochs : int
        Number of epochs.
    rates, l2, shrinkage, l1 : PerKind
        Learning rates and penalties of each kind of parameter. `l2` and `l1` act on each rating,
        `shrinkage` on each row.
    count_scale : float
        Number n₀ of ratings that scales the learning rate of a row with n ratings, η / √(1 + n/n₀);
        infinity if the rate does not depend on n.
    learning_rate_schedule : str
        One of `learning_rates.LEARNING_RATE_SCHEDULES`.
    rule : UpdateRule
        How one update is computed.
    fit_mean : bool
        Whether to subtract the centre of the ratings.
    seed : int
        Seed of the initial factors and of the order of updates.
    n_threads : int
        Number of threads, which does not affect the result.
    svdpp : bool, default=False
        Whether user factors include SVD++ terms.
    rates_name : str, default="learning_rate"
        Name of the parameter that sets the learning rates, for errors.
    patience : int, default=None
        Epochs without a lower validation loss after which training stops; None to never stop.
    sizes : Sizes, default=DEFAULT_SIZES
        Sizes of blocks, tiles and groups.
    log_level : int, default=logging.WARNING
        Level of the log messages that training diverged and goes on with a lower rate, and that
        ratings differ by little.
    """

    n_factors: int
    n_epochs: int
    rates: PerKind
    l2: PerKind
    shrinkage: PerKind
    l1: PerKind
    count_scale: float
    learning_rate_schedule: str
    rule: UpdateRule
    fit_mean: bool
    seed: int
    n_threads: int
    svdpp: bool = False
    rates_name: str = "learning_rate"
    patience: int | None = None
    sizes: Sizes = DEFAULT_SIZES
    log_level: int = logging.WARNING


def check_settings(parameters: Parameters, seed: int) -> Settings:
    """Check the parameters of a model.

    Parameters
    ----------
    parameters : mapping
        The result of ``get_params``.
    seed : int
        Seed of training. It is separate because `draw_seed` advances a generator, which only
        callers that need a new seed may do.

    Returns
    -------
    Settings

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or value, or cannot be combined with another.
    """
    learning_rate_schedule = _one_of(
        "learning_rate_schedule",
        parameters["learning_rate_schedule"],
        tuple(LEARNING_RATE_SCHEDULES),
    )
    rule = UpdateRule(
        loss=_one_of("loss", parameters["loss"], LOSSES),
        huber_delta=check_number("huber_delta", parameters["huber_delta"], above=0),
        nonnegative=check_flag("nonnegative", parameters["nonnegative"]),
        adagrad=learning_rate_schedule == "adagrad",
        fit_bias=check_flag("fit_bias", parameters["fit_bias"]),
    )
    if rule.loss == "kullback_leibler" and not rule.nonnegative:
        raise ValueError(
            "loss='kullback_leibler' needs predictions ≥ 0; set nonnegative=True as well"
        )
    if rule.nonnegative and rule.loss in losses.TWO_VALUED:
        raise ValueError(
            f"loss={rule.loss!r} cannot be combined with nonnegative=True: sums of "
            f"numbers ≥ 0 never predict the lower rating; drop one of them"
        )
    default_rates = DEFAULT_RATES[learning_rate_schedule]
    rates = check_per_kind("learning_rate", parameters["learning_rate"], default_rates, above=0)
    fit_mean = check_flag("fit_mean", parameters["fit_mean"])
    centred = fit_mean and not rule.nonnegative and rule.loss not in losses.TWO_VALUED
    l2, shrinkage, l1 = (
        check_per_kind(name, parameters[name], default)
        for name, default in (
            ("regularization", DEFAULT_REGULARIZATION),
            ("shrinkage", DEFAULT_SHRINKAGE if centred else NO_PENALTY),
            ("l1_regularization", NO_PENALTY),
        )
    )
    patience = check_count("patience", parameters["patience"], 1)
    check_number("validation_fraction", parameters["validation_fraction"], above=0, below=1)
    check_partial_rates(parameters)
    for name in ("clip", "keep_seen", "verbose", "warm_start"):
        check_flag(name, parameters[name])
    n_factors = check_count("n_factors", parameters["n_factors"], 0, MAX_FACTORS)
    if n_factors == 0 and not rule.fit_bias:
        raise ValueError(
            "n_factors=0 is the model of biases alone; it needs fit_bias=True, or choose "
            "n_factors of at least 1"
        )
    svdpp = check_flag("svdpp", parameters["svdpp"])
    if svdpp:
        _check_svdpp(n_factors, rule, l1)
    return Settings(
        n_factors=n_factors,
        n_epochs=check_count("n_epochs", parameters["n_epochs"], 0),
        rates=rates,
        l2=l2,
        shrinkage=shrinkage,
        l1=l1,
        count_scale=_check_count_scale(parameters["count_scale"], rule),
        learning_rate_schedule=learning_rate_schedule,
        rule=rule,
        fit_mean=fit_mean,
        svdpp=svdpp,
        seed=seed,
        n_threads=count_threads(parameters["n_threads"]),
        patience=patience if check_flag("early_stopping", parameters["early_stopping"]) else None,
    )


def check_dtype(dtype: object) -> np.dtype[Any]:
    """Return float32 or float64, or raise ValueError."""
    try:
        found: np.dtype[Any] | None = None if dtype is None else np.dtype(cast("Any", dtype))
    except TypeError:
        found = None
    if found is None or found not in (np.float32, np.float64) or not found.isnative:
        raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'float64'")
    return found


def check_columns(names: object) -> Names | None:
    """Return the names of the columns as a tuple, or raise ValueError."""
    if names is None:
        return None
    if not isinstance(names, tuple | list) or len(names) not in (2, 3):
        raise ValueError(f"columns is {names!r}; expected names (user, item) and perhaps a third")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"columns names {name!r} twice; expected different columns")
    return cast("Names", tuple(names))


def draw_seed(random_state: object) -> int:
    """Return a seed from a `random_state`, which advances it if it is a generator."""
    if random_state is None:
        entropy = np.random.SeedSequence().entropy
        assert isinstance(entropy, int)  # noqa: S101  (for the type checker)
        return entropy
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return check_count("random_state", random_state, 0)


def _one_of(name: str, value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(allowed)}")
    return value


def check_partial_rates(parameters: Parameters) -> PerKind:
    """Return the learning rates of `partial_fit`."""
    value = parameters["partial_learning_rate"]
    return check_per_kind("partial_learning_rate", value, DEFAULT_PARTIAL_RATES, above=0)


def check_callbacks(callbacks: object) -> tuple[Callable[[Any], object], ...]:
    """Return the callbacks as a tuple, or raise TypeError if they are not functions."""
    if not isinstance(callbacks, Iterable) or not all(callable(callback) for callback in callbacks):
        raise TypeError(f"callbacks is {callbacks!r}; expected a list of functions")
    return tuple(callbacks)


def _check_count_scale(value: object, rule: UpdateRule) -> float:
    """Return the number n₀; infinity for None, and with AdaGrad, which lowers rates by itself."""
    scale = math.inf if value is None else check_number("count_scale", value, above=0)
    return math.inf if rule.adagrad else scale


def _check_svdpp(n_factors: int, rule: UpdateRule, l1: PerKind) -> None:
    """Raise ValueError for settings that cannot be combined with SVD++ terms."""
    if n_factors == 0:
        raise ValueError(
            "svdpp=True needs factors, but n_factors is 0; choose n_factors of at least 1"
        )
    if rule.nonnegative:
        raise ValueError("svdpp=True cannot be combined with nonnegative=True; drop one of them")
    if rule.loss in losses.TWO_VALUED:
        raise ValueError(
            f"svdpp=True cannot be combined with loss={rule.loss!r}; choose 'squared', "
            f"'absolute' or 'huber'"
        )
    if rule.adagrad:
        raise ValueError(
            "svdpp=True cannot be combined with learning_rate_schedule='adagrad'; choose "
            "another, such as 'linear'"
        )
    if l1.user_factors:
        raise ValueError(
            f"svdpp=True cannot be combined with l1_regularization={l1.user_factors:g} of "
            f"user factors; give a mapping without them, such as "
            f"{{'item_factors': {l1.user_factors:g}}}"
        )
