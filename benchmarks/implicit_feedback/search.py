"""A search for settings that spends the same number of trials on every model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.implicit_feedback.models import SPACES
from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.implicit_feedback.data import Interactions
    from benchmarks.implicit_feedback.options import Options
    from benchmarks.implicit_feedback.training import Trained

STEP = 0.12  # of the second half of the trials, in units of the logarithmic ranges
SEED = 0  # models with as many settings get the same points of the unit cube


def default_and_tuned(
    model: str,
    training: Interactions,
    score: Callable[[Trained], float],
    options: Options,
    new_users: Interactions | None = None,
) -> list[dict[str, Any]]:
    """Return the default settings, and those with the highest score; only the former if no trials.

    The first trial has the defaults of the library, the others up to the half are drawn uniformly
    from the logarithmic ranges, and the second half near the best settings so far.

    Parameters
    ----------
    model : str
        Name of the model.
    training : Interactions
        What to train on.
    score : callable
        Returns the score of a training on a validation set.
    options : Options
        Number of trials, and the folder of the environments.
    new_users : Interactions, default=None
        Interactions of users who are added after training.
    """
    if not options.n_trials or model not in SPACES:
        return [{}]
    space, generator = SPACES[model], np.random.default_rng(SEED)
    n_threads = 1 if model == "implicit BPR" else 2  # BPR is racy
    best: dict[str, Any] = {}
    best_point = np.full(len(space), 0.5)
    with Trainer(model, training, options.environments, new_users) as trainer:
        highest = score(trainer.train({}, n_threads=n_threads))
        for trial in range(1, options.n_trials):
            point = generator.random(len(space))
            nearby = best_point + STEP * generator.standard_normal(len(space))
            if 2 * trial >= options.n_trials:
                point = np.clip(nearby, 0, 1)
            settings = _settings_at(space, point)
            found = score(trainer.train(settings, n_threads=n_threads))
            if found > highest:
                best, best_point, highest = settings, point, found
    return [{}, best]


def show_settings(settings: dict[str, Any]) -> str:
    """Return settings as text for a table."""
    return ", ".join(f"{name} {value:.3g}" for name, value in settings.items()) or "defaults"


def _settings_at(space: dict[str, tuple[float, float]], point: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for (name, (low, high)), fraction in zip(space.items(), point.tolist(), strict=True):
        value = low * (high / low) ** fraction
        settings[name] = round(value) if isinstance(low, int) else value
    return settings
