"""The effect of single settings on every set, beside the defaults."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.accuracy.data import read, standard_split
from benchmarks.accuracy.models import error, fit
from benchmarks.accuracy.tables import print_head, print_row
from factorate._training.settings import DEFAULT_REGULARIZATION, DEFAULT_SHRINKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.accuracy.tables import Options

EPOCHS = (5, 10, 20, 40)
FACTORS = (0, 8, 16, 32, 64, 128)
SCALES = (0, 0.25, 0.5, 1, 2, 4)
SCALED = {"regularization": DEFAULT_REGULARIZATION, "shrinkage": DEFAULT_SHRINKAGE}
COUNT_SCALES = (None, 50.0, 150.0, 500.0)
EARLY_STOPPING = {
    "learning_rate_schedule": "constant",
    "n_epochs": 60,
    "early_stopping": True,
}


def vary_settings(options: Options) -> None:
    """Print the mean test RMSE of each setting on each set; ml-1m with one seed."""
    print_head("Test RMSE by setting, all others at their defaults", "setting", *options.sets)
    for label, settings in variants():
        print_row(label, *(mean_error(name, settings, options) for name in options.sets))


def variants() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the label and the settings of each row."""
    yield "defaults", {}
    for n_epochs in EPOCHS:
        yield f"`n_epochs={n_epochs}`", {"n_epochs": n_epochs}
    for n_factors in FACTORS:
        yield f"`n_factors={n_factors}`", {"n_factors": n_factors}
    for parameter, defaults in SCALED.items():
        for scale in SCALES:
            scaled = {key: scale * value for key, value in defaults.items()}
            yield f"`{parameter}` × {scale:g}", {parameter: scaled}
    for count_scale in COUNT_SCALES:
        yield f"`count_scale={count_scale}`", {"count_scale": count_scale}
    yield "`svdpp=True`", {"svdpp": True}
    yield "early stopping, constant rate", EARLY_STOPPING


def mean_error(name: str, settings: dict[str, Any], options: Options) -> float:
    """Return the mean test RMSE over seeds."""
    seeds = options.seeds(name)
    errors = []
    for seed in seeds[:1] if name == "ml-1m" else seeds:
        training, test = standard_split(read(name), seed)
        errors.append(error(fit(training, seed, **settings), test))
    return statistics.mean(errors)
