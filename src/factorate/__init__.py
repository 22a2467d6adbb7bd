"""Ratings in, factors out: matrix factorization by stochastic gradient descent, compiled."""

from factorate import datasets, metrics
from factorate.config import show_config
from factorate.exceptions import (
    ClusterError,
    DivergenceError,
    ModelFileError,
    NotFittedError,
    RatingStoreError,
    UnknownIdError,
    UnknownIdWarning,
)
from factorate.implicit import ImplicitMatrixFactorization
from factorate.implicit_cv import ImplicitMatrixFactorizationCV
from factorate.loading import load
from factorate.model import MatrixFactorization
from factorate.model_cv import MatrixFactorizationCV
from factorate.plotting import (
    CalibrationDisplay,
    ItemMapDisplay,
    LearningCurveDisplay,
    PopularityDisplay,
    ResidualsDisplay,
    TuningDisplay,
)
from factorate.rating_store import RatingStore
from factorate.reading import read_ratings
from factorate.textbook import matrix_factorization

__version__ = "0.1.0"

__all__ = [
    "CalibrationDisplay",
    "ClusterError",
    "DivergenceError",
    "ImplicitMatrixFactorization",
    "ImplicitMatrixFactorizationCV",
    "ItemMapDisplay",
    "LearningCurveDisplay",
    "MatrixFactorization",
    "MatrixFactorizationCV",
    "ModelFileError",
    "NotFittedError",
    "PopularityDisplay",
    "RatingStore",
    "RatingStoreError",
    "ResidualsDisplay",
    "TuningDisplay",
    "UnknownIdError",
    "UnknownIdWarning",
    "datasets",
    "load",
    "matrix_factorization",
    "metrics",
    "read_ratings",
    "show_config",
]
