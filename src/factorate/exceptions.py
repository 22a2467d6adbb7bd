"""Exceptions and warnings that factorate defines."""

from __future__ import annotations

import sys


class UnknownIdWarning(UserWarning):
    """Warning that some users or items are unknown to the model.

    The message states how many there are, with an example, and how the result treats them.
    """


class UnknownIdError(ValueError):
    """Error raised when users or items are unknown to the model, where they must be known.

    This is so in `remove_users` and `remove_items`, and with ``unknown="raise"`` in other methods.
    """


class DivergenceError(ArithmeticError):
    """Error raised when training diverges: factors or errors become infinite or NaN."""


class ModelFileError(ValueError):
    """Error raised when a file is not a valid model file, or is damaged."""


class RatingStoreError(ValueError):
    """Error raised when a folder is not a valid store of ratings, or is damaged."""


class ClusterError(RuntimeError):
    """Error raised when a cluster of Dask cannot go on: its workers or its scheduler are gone.

    The model is unchanged. Training can continue from the last epoch of a `checkpoint`.
    """


class NotFittedError(ValueError, AttributeError):
    """Error raised when a model is used before it is fitted.

    If scikit-learn has been imported, the error is also an instance of
    ``sklearn.exceptions.NotFittedError``.
    """


def not_fitted(name: str) -> NotFittedError:
    """Return the error for a model that is used before it is fitted.

    Parameters
    ----------
    name : str
        Name of the model's class.

    Returns
    -------
    NotFittedError
        The error to raise.
    """
    message = f"this {name} is not fitted; call fit, or load a model, first"
    sklearn_exceptions = sys.modules.get("sklearn.exceptions")
    if sklearn_exceptions is None:
        return NotFittedError(message)
    bases = (NotFittedError, sklearn_exceptions.NotFittedError)
    # pickle cannot find a class made at run time by its name.
    members = {"__reduce__": lambda _: (not_fitted, (name,))}
    error: NotFittedError = type("NotFittedError", bases, members)(message)
    return error
