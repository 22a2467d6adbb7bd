"""The warnings and errors that are the library's own."""

from __future__ import annotations

import sys


class UnknownIdWarning(UserWarning):
    """Some ids are unknown to the model; the message says what that means for the result."""


class DivergenceError(ArithmeticError):
    """Training left the finite numbers."""


class ModelFileError(ValueError):
    """A file is not a whole, readable model."""


class NotFittedError(ValueError, AttributeError):
    """The model has no factors yet.

    Where scikit-learn is loaded, what is raised is its ``NotFittedError`` as well.
    """


def not_fitted(name: str) -> NotFittedError:
    """Return the error for a model that was used before it was fitted."""
    message = f"this {name} has no factors yet; call fit(ratings), or load a model, first"
    sklearn_exceptions = sys.modules.get("sklearn.exceptions")
    if sklearn_exceptions is None:
        return NotFittedError(message)
    bases = (NotFittedError, sklearn_exceptions.NotFittedError)
    # Made on the fly, the class has no name that pickle could find.
    members = {"__reduce__": lambda _: (not_fitted, (name,))}
    error: NotFittedError = type("NotFittedError", bases, members)(message)
    return error
