"""search: successive halving of settings around the defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._utils.random_streams import permutation, stream, uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factorate._tuning.space import Point, Space

# Chosen, like the ranges of the space, on parts of the training sets of seven data sets.
ROUNDS = ((0.45, 1.0), (0.2, 0.5))  # share of the trials and spread of each round of halving
LAST_SPREAD = 0.3
MAX_SHARE = 0.2  # of the work, for a trial on one fold
MIN_GAIN = 0.0004  # relative decrease of the loss that is worth twice the factors or epochs
N_ELITE = 4


class FoldScore(NamedTuple):
    """The score of settings on a fold.

    Attributes
    ----------
    loss : float
        What the search minimizes; infinity if training diverged.
    metric : float
        What is shown to the user, such as the RMSE in the unit of the ratings.
    seconds : float
        Time of training and validation.
    """

    loss: float
    metric: float
    seconds: float


@dataclass(eq=False, kw_only=True)
class Trial:
    """Settings that were tried.

    Attributes
    ----------
    number : int
        Number of trials that began before.
    point : ndarray
        Coordinates of the settings.
    parameters : dict
        The settings.
    round : int
        Round of the search, from 0, which is that of the default settings.
    scores : list of FoldScore
        Score of each fold that was used, in their order.
    """

    number: int
    point: Point
    parameters: dict[str, Any]
    round: int
    scores: list[FoldScore] = field(default_factory=list)

    @property
    def metric(self) -> float:
        """Mean metric of the folds that were used."""
        return sum(score.metric for score in self.scores) / len(self.scores)

    def loss(self, n_folds: int) -> float:
        """Return the mean loss of the first folds."""
        return sum(score.loss for score in self.scores[:n_folds]) / n_folds


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is searched, and within which budget.

    Attributes
    ----------
    space : Space
        The settings.
    n_folds : int
        Number of folds.
    evaluate : callable
        Returns the `FoldScore` of parameters for a fold.
    work : callable
        Returns the work of training with parameters, in units of that with the default settings.
    n_trials : int
        Maximum number of trials, the default settings included.
    max_work : float
        Maximum work on all folds, except that of the default settings and of the validation of
        the best trial of an unfinished round.
    seed : int
        Seed of the choice of the settings.
    starts : sequence of tuple, default=()
        Parameters and coordinates to try first, far from the defaults, where random trials around
        them do not lead; those without a dimension are left out.
    min_gains : tuple of float, default=(0.0004, 0.0)
        Relative decrease of the loss that is worth twice the factors or epochs, or a start; and
        that is worth half of the factors or epochs.
    is_over : callable
        Returns whether the time of the search is over; asked before every training but those.
    report : callable
        Called after every training with the number of trials and the best of them.
    """

    space: Space
    n_folds: int
    evaluate: Callable[[dict[str, Any], int], FoldScore]
    work: Callable[[dict[str, Any]], float]
    n_trials: int
    max_work: float
    seed: int
    starts: Sequence[tuple[str, float]] = ()
    min_gains: tuple[float, float] = (MIN_GAIN, 0.0)
    is_over: Callable[[], bool] = lambda: False
    report: Callable[[int, Trial], None] = lambda n_trials, best: None  # noqa: ARG005


def search(problem: Problem) -> list[Trial]:
    """Try the default settings and others, and return all trials, the best first.

    The starts of the problem are tried first. Successive halving [1]_ trains every trial of a round
    on the first fold, the better half of them also on the second, and so on. The next round draws
    settings around the mean of the best few. Then the numbers of factors and epochs are doubled or
    halved as long as that helps, doubled only if it helps more than a little, and the last trials
    are drawn close to the best.

    References
    ----------
    .. [1] K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
       Optimization", AISTATS 2016, fig. 1.
    """
    state = _Search(problem)
    try:
        state.try_default()
        if not problem.space.dimensions:
            return state.ranked()
        state.try_starts()
        for share, spread in ROUNDS:
            state.halve(max(2, round(share * problem.n_trials)), spread)
        state.resize()
        state.refine()
    except _BudgetSpent:
        pass
    return state.ranked()


class _BudgetSpent(Exception):  # noqa: N818
    """No trial may begin any more."""


class _Search:
    """The trials of a search so far."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._trials: list[Trial] = []
        self._work = 0.0
        self._round = 0
        self._best: Trial
        self._centre: Point = np.zeros(len(problem.space.dimensions))

    def try_default(self) -> None:
        trial = self._make(self._centre)
        for fold in range(self._problem.n_folds):
            trial.scores.append(self._problem.evaluate(trial.parameters, fold))
            self._best = trial
            self._problem.report(1, trial)

    def try_starts(self) -> None:
        """Try the starts, and continue from what is better."""
        for parameter, coordinate in self._problem.starts:
            point = self._best.point.copy()
            for axis, dimension in enumerate(self._problem.space.dimensions):
                if dimension.parameter == parameter:
                    point[axis] = coordinate
            if self._is_new(point):
                self._challenge(point, self._problem.min_gains[0])
        self._centre = self._best.point

    def halve(self, n: int, spread: float) -> None:
        """Draw trials around the centre, drop half of them on every fold, and move the centre."""
        self._round += 1
        n = min(n, self._problem.n_trials - len(self._trials))
        points = [self._centre + spread * offset for offset in self._offsets(n)]
        if self._round > 1 and points:
            points[0] = self._centre
        alive = [self._make(point) for point in points if self._is_new(point)]
        if not alive:
            return
        dropped: list[Trial] = []
        n_folds = 1
        while True:
            try:
                for trial in alive:
                    self._extend(trial, n_folds)
                    if n_folds == self._problem.n_folds:
                        self._keep(trial)
            except _BudgetSpent:
                self._finish(alive)
                raise
            alive.sort(key=lambda trial: trial.loss(n_folds))
            if n_folds == self._problem.n_folds:
                break
            n_kept = math.ceil(len(alive) / 2)
            dropped = alive[n_kept:] + dropped
            alive = alive[:n_kept]
            n_folds = min(2 * n_folds, self._problem.n_folds)
        elite = (alive + dropped)[:N_ELITE]
        weights = np.arange(len(elite), 0, -1.0)
        weights /= weights.sum()
        total = sum(weight * trial.point for weight, trial in zip(weights, elite, strict=True))
        self._centre = np.asarray(total)

    def resize(self) -> None:
        """Change the numbers of factors and epochs by a factor of two as long as that helps."""
        self._round += 1
        sizes = [
            (axis, dimension)
            for axis, dimension in enumerate(self._problem.space.dimensions)
            if dimension.is_size
        ]
        improved = True
        while improved:
            improved = False
            for axis, dimension in sizes:
                for step, min_gain in zip((1.0, -1.0), self._problem.min_gains, strict=True):
                    point = self._best.point.copy()
                    point[axis] += step
                    in_range = dimension.low <= point[axis] <= dimension.high
                    if in_range and self._is_affordable(point) and self._is_new(point):
                        improved |= self._challenge(point, min_gain)

    def refine(self) -> None:
        """Draw trials close to the best until the budget is spent."""
        self._round += 1
        n = self._problem.n_trials - len(self._trials)
        for offset in self._offsets(n):
            point = self._best.point + LAST_SPREAD * offset
            if self._is_new(point):
                self._challenge(point)

    def ranked(self) -> list[Trial]:
        """Return the best trial, and then the others, those on more folds first."""
        used = [trial for trial in self._trials if trial.scores and trial is not self._best]
        used.sort(key=lambda trial: (-len(trial.scores), trial.loss(len(trial.scores))))
        return [self._best, *used]

    def _challenge(self, point: Point, min_gain: float = 0.0) -> bool:
        """Try a point fold by fold, as long as it is better than the best trial; return whether."""
        trial = self._make(point)
        n_folds = 1
        while True:
            self._extend(trial, n_folds)
            if not trial.loss(n_folds) < (1 - min_gain) * self._best.loss(n_folds):
                return False
            if n_folds == self._problem.n_folds:
                self._keep(trial)
                return True
            n_folds = min(2 * n_folds, self._problem.n_folds)

    def _finish(self, alive: list[Trial]) -> None:
        """Validate the best trial of an unfinished round on the other folds, as the defaults are.

        A small budget would otherwise be spent on trials none of which can be chosen.
        """
        begun = [trial for trial in alive if trial.scores]
        if not begun:
            return
        first = min(begun, key=lambda trial: (-len(trial.scores), trial.loss(len(trial.scores))))
        if math.isfinite(first.loss(len(first.scores))):
            while len(first.scores) < self._problem.n_folds:
                self._train(first)
            self._keep(first)

    def _keep(self, trial: Trial) -> None:
        """Make a trial on all folds the best one, if it is better."""
        n_folds = self._problem.n_folds
        if trial.loss(n_folds) < self._best.loss(n_folds):
            self._best = trial

    def _is_new(self, point: Point) -> bool:
        """Return whether the settings, after rounding, have not been tried."""
        parameters = self._parameters(point)
        return all(trial.parameters != parameters for trial in self._trials)

    def _is_affordable(self, point: Point) -> bool:
        """Return whether training takes no more than its share of the work."""
        work = self._problem.work(self._parameters(point))
        return work <= MAX_SHARE * self._problem.max_work

    def _parameters(self, point: Point) -> dict[str, Any]:
        space = self._problem.space
        return space.parameters(space.clip(point))

    def _make(self, point: Point) -> Trial:
        if len(self._trials) >= self._problem.n_trials:
            raise _BudgetSpent
        space = self._problem.space
        point = space.clip(point)
        trial = Trial(
            number=len(self._trials),
            point=point,
            parameters=space.parameters(point),
            round=self._round,
        )
        self._trials.append(trial)
        return trial

    def _extend(self, trial: Trial, n_folds: int) -> None:
        """Train on further folds, up to a number of them."""
        problem = self._problem
        while len(trial.scores) < n_folds:
            work = problem.work(trial.parameters)
            if self._work + work > problem.max_work or problem.is_over():
                raise _BudgetSpent
            self._work += work
            self._train(trial)

    def _train(self, trial: Trial) -> None:
        """Train on the next fold of a trial."""
        problem = self._problem
        trial.scores.append(problem.evaluate(trial.parameters, len(trial.scores)))
        problem.report(sum(bool(trial.scores) for trial in self._trials), self._best)

    def _offsets(self, n: int) -> list[Point]:
        """Return points of a Latin hypercube [-1, 1]^d, with sizes 0.

        References: McKay, Beckman and Conover, Technometrics 21(2), 1979.
        """
        n_dimensions = len(self._problem.space.dimensions)
        bits = stream(self._problem.seed, 6, self._round)
        columns = [(permutation(n, bits) + uniform(n, bits)) / n for _ in range(n_dimensions)]
        points = 2 * np.reshape(columns, (n_dimensions, n)).T - 1
        points[:, [dimension.is_size for dimension in self._problem.space.dimensions]] = 0
        return list(points)
