"""The metadata of the file of a model of implicit feedback: all that is not an array, as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from factorate._fitted.model_metadata import MAX_COUNT, check_keys, check_parameters, to_json
from factorate._input.frame_columns import check_library
from factorate._training.implicit_settings import check_implicit_settings
from factorate._utils.validation import check_count, check_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factorate._fitted.implicit_state import ImplicitState

IMPLICIT_FORMAT = 2
MODEL = "implicit"


@dataclass(frozen=True, kw_only=True)
class ImplicitMetadata:
    """The content of a model file besides its arrays.

    Attributes
    ----------
    format : int
        Version of the format.
    model : str
        Kind of the model.
    parameters : dict
        Parameters of the model, as JSON values.
    user_kind, item_kind : str
        Kinds of the ids.
    library, seed, n_partial_fits, best_epoch, unobserved_weight, mean_weight
        As in `ImplicitState`.
    """

    format: int
    model: str
    parameters: dict[str, Any]
    user_kind: str
    item_kind: str
    library: str | None
    seed: int
    n_partial_fits: int
    best_epoch: int
    unobserved_weight: float
    mean_weight: float


def make_implicit_metadata(parameters: Mapping[str, Any], fitted: ImplicitState) -> dict[str, Any]:
    """Return the metadata of a model as JSON values.

    Raises
    ------
    TypeError, ValueError
        If `fit` would raise the same for a parameter, or JSON cannot hold it.
    """
    stored = {name: to_json(name, value) for name, value in parameters.items()}
    check_parameters(stored, check_implicit_settings)
    return asdict(
        ImplicitMetadata(
            format=IMPLICIT_FORMAT,
            model=MODEL,
            parameters=stored,
            user_kind=fitted.user_index.kind,
            item_kind=fitted.item_index.kind,
            library=fitted.library,
            seed=fitted.seed,
            n_partial_fits=fitted.n_partial_fits,
            best_epoch=fitted.best_epoch,
            unobserved_weight=fitted.unobserved_weight,
            mean_weight=fitted.mean_weight,
        )
    )


def check_implicit_metadata(metadata: Mapping[str, Any]) -> ImplicitMetadata:
    """Return the metadata of a model, every value checked.

    Raises
    ------
    TypeError, ValueError
        If a value or a key is missing, of another type, or out of range; the message names it.
    """
    check_keys("factorate.json", metadata, [field.name for field in fields(ImplicitMetadata)])
    if metadata["model"] != MODEL:
        raise ValueError(f"model is {metadata['model']!r}; expected {MODEL!r}")
    return ImplicitMetadata(
        format=metadata["format"],
        model=MODEL,
        parameters=check_parameters(metadata["parameters"], check_implicit_settings),
        user_kind=metadata["user_kind"],  # checked with the ids
        item_kind=metadata["item_kind"],
        library=check_library(metadata["library"]),
        seed=check_count("seed", metadata["seed"], 0),
        n_partial_fits=check_count("n_partial_fits", metadata["n_partial_fits"], 0, MAX_COUNT),
        best_epoch=check_count("best_epoch", metadata["best_epoch"], 0, MAX_COUNT),
        unobserved_weight=check_number("unobserved_weight", metadata["unobserved_weight"], above=0),
        mean_weight=check_number("mean_weight", metadata["mean_weight"], above=0),
    )
