"""Ratings in, factors out: matrix factorization by stochastic gradient descent, compiled."""

from factorate import datasets, metrics
from factorate.config import show_config
from factorate.exceptions import (
    DivergenceError,
    ModelFileError,
    NotFittedError,
    UnknownIdError,
    UnknownIdWarning,
)
from factorate.model import MatrixFactorization, load
from factorate.plotting import LearningCurveDisplay
from factorate.reading import read_ratings
from factorate.textbook import matrix_factorization

__version__ = "0.1.0"

__all__ = [
    "DivergenceError",
    "LearningCurveDisplay",
    "MatrixFactorization",
    "ModelFileError",
    "NotFittedError",
    "UnknownIdError",
    "UnknownIdWarning",
    "datasets",
    "load",
    "matrix_factorization",
    "metrics",
    "read_ratings",
    "show_config",
]
