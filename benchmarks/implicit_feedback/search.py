"""A search for settings that spends the same number of trials on models of the same kind.

Both models of least squares are searched over the same ranges. They are those of the objective of
factorate, in which an observed pair has the weight 1: a pair that is not observed has the weight
w = `ratio` × the fraction of pairs that are observed. implicit's weights are relative to those of
pairs that are not observed, so its `alpha` is 1 + 1 / w and its penalty is divided by w.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.implicit_feedback.data import Interactions
    from benchmarks.implicit_feedback.options import Options
    from benchmarks.implicit_feedback.training import Trained

    Settings = dict[str, Any]

STEPS = 0.15, 0.04  # of the second half of the trials, first and last, relative to the ranges
SEED = 0  # models with as many settings get the same points of the unit cube
BPR_FRACTION = 3  # BPR gets a third of the trials, which take it several times as long in all


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A training set, users who are added to it, and the score of a training on held-out pairs."""

    training: Interactions
    score: Callable[[Trained], float]
    new_users: Interactions | None = None


@dataclass(frozen=True)
class Choice:
    """Settings, and the number and the seconds of the trials among which they were the best."""

    settings: Settings = field(default_factory=dict)
    n_trials: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Describe the choice for a table."""
        if not self.n_trials:
            return "defaults"
        text = ", ".join(f"{name} {value:.3g}" for name, value in self.settings.items())
        return f"{text or 'defaults'} (best of {self.n_trials} in {self.seconds:.0f} s)"


def default_and_tuned(
    model: str, validations: Sequence[Validation], options: Options
) -> list[Choice]:
    """Return the default settings, and those with the highest mean score in the validations.

    The first trial has the defaults of the library, the others up to the half are drawn uniformly
    from the logarithmic ranges, and the second half ever nearer to the best settings so far.
    Without trials, only the defaults are returned.

    Parameters
    ----------
    model : str
        Name of the model.
    validations : sequence of Validation
        What to train on, and to maximize.
    options : Options
        Number of trials, and the folder of the environments.
    """
    if not options.n_trials or model not in SPACES:
        return [Choice()]
    begin = time.perf_counter()
    n_dimensions, settings_at = SPACES[model]
    density = statistics.mean(_density(validation.training) for validation in validations)
    n_trials = options.n_trials
    if model == "implicit BPR":
        n_trials = -(-n_trials // BPR_FRACTION)
    generator = np.random.default_rng(SEED)
    best: Settings = {}
    best_point = np.full(n_dimensions, 0.5)
    with ExitStack() as stack:
        trainers = [
            stack.enter_context(Trainer(model, one.training, options.environments, one.new_users))
            for one in validations
        ]

        def mean_score(settings: Settings) -> float:
            return statistics.mean(
                one.score(trainer.train(settings))
                for one, trainer in zip(validations, trainers, strict=True)
            )

        highest = mean_score({})
        for trial in range(1, n_trials):
            point = generator.random(n_dimensions)
            if 2 * trial >= n_trials:
                step = _between(*STEPS, 2 * trial / n_trials - 1)
                nearby = best_point + step * generator.standard_normal(n_dimensions)
                point = np.clip(nearby, 0, 1)
            settings = settings_at(point.tolist(), density)
            try:
                score = mean_score(settings)
            except FloatingPointError:
                continue
            if score > highest:
                best, best_point, highest = settings, point, score
    return [Choice(), Choice(best, n_trials, time.perf_counter() - begin)]


def _factorate(point: Sequence[float], density: float) -> Settings:
    return {
        "regularization": _between(1e-3, 1e1, point[0]),
        "unobserved_weight": density * _between(1, 100, point[1]),
        "n_epochs": round(_between(8, 32, point[2])),
    }


def _implicit_als(point: Sequence[float], density: float) -> Settings:
    unobserved_weight = density * _between(1, 100, point[1])
    return {
        # The penalty of factorate is λ √n, and n is about 1000
        "regularization": _between(3e-2, 3e2, point[0]) / unobserved_weight,
        "alpha": 1 + 1 / unobserved_weight,
        "iterations": round(_between(8, 32, point[2])),
    }


def _implicit_bpr(point: Sequence[float], density: float) -> Settings:  # noqa: ARG001
    return {
        "regularization": _between(1e-4, 1e-1, point[0]),
        "learning_rate": _between(5e-3, 5e-1, point[1]),
        "iterations": round(_between(25, 200, point[2])),
    }


# Number of dimensions, and the settings at a point of the unit cube.
SPACES: dict[str, tuple[int, Callable[[Sequence[float], float], Settings]]] = {
    "factorate": (3, _factorate),
    "implicit ALS": (3, _implicit_als),
    "implicit BPR": (3, _implicit_bpr),
}


def _between(low: float, high: float, fraction: float) -> float:
    return float(low * (high / low) ** fraction)


def _density(pairs: Interactions) -> float:
    """Return the fraction of pairs that are observed, of the users and items that occur."""
    return len(pairs) / (len(np.unique(pairs.users)) * len(np.unique(pairs.items)))
