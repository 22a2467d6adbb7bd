"""Loading of saved models of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorate._fitted import model_file
from factorate._fitted.implicit_state import ImplicitState
from factorate._fitted.rating_state import RatingState
from factorate._utils.validation import check_flag
from factorate.exceptions import ModelFileError
from factorate.implicit import ImplicitMatrixFactorization
from factorate.model import MatrixFactorization

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from factorate.base import FactorModel


def load(path: str | os.PathLike[str], mmap: bool = False) -> Any:
    """Load a model from a file written by its method ``save``.

    Parameters
    ----------
    path : str or path-like
        Path of the ``.npz`` file.
    mmap : bool, default=False
        Whether to map the factors, biases and seen items into memory instead of copying them, so
        that processes share the memory. The contents of the factors and biases are then not
        checked. While it is mapped, the file may be replaced (except on Windows) but must not be
        changed in place. Factors saved as float16 are always copied; see Notes for ids.

    Returns
    -------
    MatrixFactorization or ImplicitMatrixFactorization
        The fitted model, of the class that was saved; a `MatrixFactorizationCV` is saved as a
        `MatrixFactorization`, and an `ImplicitMatrixFactorizationCV` as an
        `ImplicitMatrixFactorization`.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ModelFileError
        If the file is not a model, is damaged, or was written by a later version.

    See Also
    --------
    MatrixFactorization.save : Write a model to a file.

    Notes
    -----
    Ids are always copied and checked. With ``mmap=True`` that is most of the time of loading: about
    0.01 s for a million integers, 0.2 to 0.3 s for a million texts and 2 s for a million UUIDs. The
    first call that looks up a text or a UUID takes another 0.4 s per million, to index them.

    Examples
    --------
    >>> import factorate as ft, tempfile, pathlib
    >>> model = ft.MatrixFactorization(2, random_state=0).fit(ft.datasets.textbook()[0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(pathlib.Path(folder, "model.npz"))
    ...     again = ft.load(pathlib.Path(folder, "model.npz"))
    >>> bool((again.complete() == model.complete()).all())
    True
    """
    parameters, fitted = model_file.load(path, check_flag("mmap", mmap))
    if isinstance(fitted, ImplicitState):
        _check_names(path, parameters, ImplicitMatrixFactorization)
        implicit = ImplicitMatrixFactorization(**parameters)
        implicit._fitted = fitted
        return implicit
    assert isinstance(fitted, RatingState)  # noqa: S101  (for the type checker)
    _check_names(path, parameters, MatrixFactorization)
    model = MatrixFactorization(**parameters)
    model._fitted = fitted
    return model


def _check_names(path: object, parameters: Mapping[str, object], model: type[FactorModel]) -> None:
    """Raise ModelFileError if there are parameters that the model does not have."""
    later = sorted(parameters.keys() - model._parameters().keys())
    if later:
        raise ModelFileError(
            f"{path} has parameters that this version does not know ({', '.join(later)}): upgrade "
            f"factorate"
        )
