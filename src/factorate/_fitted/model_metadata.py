"""The metadata of the file of a model of ratings: all that is not an array, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.frame_columns import check_library
from factorate._training.settings import check_columns, check_dtype, check_settings
from factorate._training.update_rule import LOSSES, UpdateRule
from factorate._utils.validation import check_count, check_flag, check_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._fitted.rating_state import RatingState

FORMAT = 1
MAX_COUNT = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """The content of a model file besides its arrays.

    Attributes
    ----------
    format : int
        Version of the format.
    parameters : dict
        Parameters of the model, as JSON values.
    mean, scale : float
        Centre and scale of the ratings, as in `Factors`.
    user_kind, item_kind : str
        Kinds of the ids.
    library, seed, n_partial_fits, best_epoch, bounds, rule
        As in `RatingState`.
    """

    format: int
    parameters: dict[str, Any]
    mean: float
    scale: float
    user_kind: str
    item_kind: str
    library: str | None
    seed: int
    n_partial_fits: int
    best_epoch: int
    bounds: tuple[float, float]
    rule: UpdateRule


def make_metadata(parameters: Mapping[str, Any], fitted: RatingState) -> dict[str, Any]:
    """Return the metadata of a model as JSON values.

    Raises
    ------
    TypeError, ValueError
        If `fit` would raise the same for a parameter, or JSON cannot hold it.
    """
    stored = {name: to_json(name, value) for name, value in parameters.items()}
    check_parameters(stored, check_settings)
    return asdict(
        ModelMetadata(
            format=FORMAT,
            parameters=stored,
            mean=fitted.factors.mean,
            scale=fitted.factors.scale,
            user_kind=fitted.user_index.kind,
            item_kind=fitted.item_index.kind,
            library=fitted.library,
            seed=fitted.seed,
            n_partial_fits=fitted.n_partial_fits,
            best_epoch=fitted.best_epoch,
            bounds=fitted.bounds,
            rule=fitted.rule,
        )
    )


def check_metadata(metadata: Mapping[str, Any]) -> ModelMetadata:
    """Return the metadata of a model, every value checked.

    Raises
    ------
    TypeError, ValueError
        If a value or a key is missing, of another type, or out of range; the message names it.
    """
    check_keys("factorate.json", metadata, [field.name for field in fields(ModelMetadata)])
    rule = metadata["rule"]
    check_keys("rule", rule, [field.name for field in fields(UpdateRule)])
    if rule["loss"] not in LOSSES:
        raise ValueError(f"rule['loss'] is {rule['loss']!r}; expected one of {', '.join(LOSSES)}")
    flags = ("nonnegative", "adagrad", "fit_bias")
    return ModelMetadata(
        format=metadata["format"],
        parameters=check_parameters(metadata["parameters"], check_settings),
        mean=check_number("mean", metadata["mean"]),
        scale=check_number("scale", metadata["scale"], above=0),
        user_kind=metadata["user_kind"],  # checked with the ids
        item_kind=metadata["item_kind"],
        library=check_library(metadata["library"]),
        seed=check_count("seed", metadata["seed"], 0),
        n_partial_fits=check_count("n_partial_fits", metadata["n_partial_fits"], 0, MAX_COUNT),
        best_epoch=check_count("best_epoch", metadata["best_epoch"], 0, MAX_COUNT),
        bounds=_check_bounds(metadata["bounds"]),
        rule=UpdateRule(
            loss=rule["loss"],
            huber_delta=check_number("rule['huber_delta']", rule["huber_delta"], above=0),
            **{name: check_flag(f"rule[{name!r}]", rule[name]) for name in flags},
        ),
    )


def check_parameters(
    parameters: object, check: Callable[[dict[str, Any], int], object]
) -> dict[str, Any]:
    """Return the parameters of a model.

    Raises
    ------
    TypeError, ValueError
        If `fit` rejects a parameter, of which `check` raises most errors, or one is missing.
    """
    if not isinstance(parameters, dict):
        raise TypeError(f"parameters is {parameters!r}; expected an object")
    try:
        check(parameters, 0)
        check_dtype(parameters["dtype"])
        check_columns(parameters["columns"])
        random_state = parameters["random_state"]
    except KeyError as error:
        raise ValueError(f"the parameters have no {error.args[0]!r}") from error
    if random_state is not None:
        check_count("random_state", random_state, 0)
    return parameters


def to_json(name: str, value: object) -> Any:
    """Return a parameter as a JSON value; a dtype becomes its name.

    Raises
    ------
    TypeError
        If it is neither None, a number, a bool, text, a dtype of floats, nor a mapping or sequence
        of these.

    Examples
    --------
    >>> to_json("clip", np.bool_(False)), to_json("dtype", np.float32)
    (False, 'float32')
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool):
        return bool(value)
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, Mapping):
        return {key: to_json(f"{name}[{key!r}]", entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(f"{name}[{index}]", entry) for index, entry in enumerate(value)]
    if isinstance(value, np.dtype | type) and np.dtype(value).kind == "f":
        return np.dtype(value).name
    raise TypeError(
        f"{name} is {value!r}, which a file cannot hold; expected a number, True, False, None, "
        f"text, a dtype of floats, or a mapping or list of these"
    )


def check_keys(label: str, found: object, expected: list[str]) -> None:
    """Raise TypeError or ValueError unless an object has exactly the expected keys."""
    if not isinstance(found, dict):
        raise TypeError(f"{label} is {found!r}; expected an object")
    for name in expected:
        if name not in found:
            raise ValueError(f"{label} has no {name!r}")
    for name in found:
        if name not in expected:
            raise ValueError(f"{label} has {name!r}, which is not a valid key")


def _check_bounds(bounds: object) -> tuple[float, float]:
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise ValueError(f"bounds is {bounds!r}; expected the minimum and the maximum rating")
    low, high = (check_number(f"bounds[{side}]", value) for side, value in enumerate(bounds))
    if low > high:
        raise ValueError(f"bounds is {bounds!r}; expected the minimum rating first")
    return low, high
