"""Save a model to a file and load it; see docs/explanation/file-format.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorate._fitted import implicit_file, rating_file
from factorate._fitted.implicit_metadata import (
    IMPLICIT_FORMAT,
    check_implicit_metadata,
    make_implicit_metadata,
)
from factorate._fitted.implicit_state import ImplicitState
from factorate._fitted.model_metadata import FORMAT, check_metadata, make_metadata
from factorate._fitted.npz_archive import damaged, read, write
from factorate._fitted.rating_state import RatingState
from factorate._input.stored_ids import store_ids

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping

    from factorate._fitted.fitted_state import FittedState
    from factorate._utils.types import Arrays

NEWEST = max(FORMAT, IMPLICIT_FORMAT)
EXPECTED = rating_file.EXPECTED | implicit_file.EXPECTED


def save(
    path: str | os.PathLike[str],
    parameters: Mapping[str, Any],
    fitted: FittedState,
    dtype: str | None = None,
) -> None:
    """Write a model; at any moment, the file at `path` is the old one or the whole new one.

    Parameters
    ----------
    path : str or path-like
        The file.
    parameters : mapping of str to object
        Parameters of the model.
    fitted : FittedState
        Its fitted state.
    dtype : {"float32", "float16"}, default=None
        Dtype of the factors and biases in the file; None keeps their dtype.

    Raises
    ------
    OSError
        If the file cannot be written.
    TypeError
        If a parameter is of a type that a file cannot hold.
    ValueError
        If `fit` would reject a parameter, `dtype` is another or cannot hold the factors, or a file
        cannot hold the ids.
    """
    if dtype not in (None, "float32", "float16"):
        raise ValueError(f"dtype is {dtype!r}; expected None, 'float32' or 'float16'")
    arrays, metadata = _to_members(parameters, fitted, dtype)
    arrays |= store_ids(fitted.user_index, "user") | store_ids(fitted.item_index, "item")
    write(path, metadata, arrays)


def load(path: str | os.PathLike[str], mapped: bool = False) -> tuple[dict[str, Any], FittedState]:
    """Read the parameters and the fitted state of a model.

    Parameters
    ----------
    path : str or path-like
        The file.
    mapped : bool, default=False
        Whether to map the large arrays rather than copy them. The values of mapped factors and
        biases are not checked.

    Returns
    -------
    parameters : dict
        Parameters of the model.
    fitted : FittedState
        Its fitted state.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ModelFileError
        If the file is not a model, is damaged, or was written by a later version.
    """
    path = Path(path)
    metadata, arrays = read(path, EXPECTED, newest=NEWEST, mapped=mapped)
    try:
        if metadata["format"] == IMPLICIT_FORMAT:
            _check_members(arrays, implicit_file.EXPECTED, implicit_file.REQUIRED)
            implicit = check_implicit_metadata(metadata)
            fitted = implicit_file.restore_interactions(implicit, arrays, mapped)
            return _restore_parameters(implicit.parameters), fitted
        _check_members(arrays, rating_file.EXPECTED, rating_file.REQUIRED)
        ratings = check_metadata(metadata)
        return (
            _restore_parameters(ratings.parameters),
            rating_file.restore_ratings(ratings, arrays, mapped),
        )
    except MemoryError:
        raise
    except Exception as error:  # the checksums are right: another program wrote wrong values
        raise damaged(path, error) from error


def _to_members(
    parameters: Mapping[str, Any], fitted: FittedState, dtype: str | None
) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a model, except for its ids, and the metadata."""
    if dtype is not None:
        parameters = {**parameters, "dtype": "float32"}
    if isinstance(fitted, ImplicitState):
        arrays = implicit_file.implicit_arrays(fitted, dtype)
        return arrays, make_implicit_metadata(parameters, fitted)
    assert isinstance(fitted, RatingState)  # noqa: S101  (for the type checker)
    return rating_file.rating_arrays(fitted, dtype), make_metadata(parameters, fitted)


def _check_members(arrays: Arrays, expected: Collection[str], required: Collection[str]) -> None:
    """Raise ValueError if a member is missing, or is one of another kind of model."""
    for name in required:
        if name not in arrays:
            raise ValueError(f"it has no member '{name}.npy'")
    for name in arrays:
        if name not in expected:
            raise ValueError(f"it has a member '{name}.npy', which is one of another kind of model")


def _restore_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    columns = parameters["columns"]
    return parameters | {"columns": None if columns is None else tuple(columns)}
