"""search: successive halving finds good settings within its budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._tuning.search import FoldScore, Problem, search
from factorate._tuning.space import Dimension, Space

SPACE = Space(
    (
        Dimension(parameter="n_epochs", defaults={None: 10}, low=-1, high=2, is_size=True),
        Dimension(parameter="learning_rate", defaults={"factors": 0.1}, low=-3, high=3),
        Dimension(parameter="count_scale", defaults={None: 100.0}, low=-3, high=3),
    )
)


def loss(parameters: dict[str, Any]) -> float:
    """Return a loss with its minimum at 20 epochs of rate 0.06, and count_scale 50."""
    rate = parameters["learning_rate"]["factors"] * parameters["n_epochs"] / 20
    distance = np.log2(rate / 0.06)
    epochs = np.log2(parameters["n_epochs"] / 20)
    return float(1 + distance**2 + epochs**2 + np.log2(parameters["count_scale"] / 50) ** 2)


def make_problem(evaluated: list[tuple[str, int]] | None = None, **changes: Any) -> Problem:
    def evaluate(parameters: dict[str, Any], fold: int) -> FoldScore:
        if evaluated is not None:
            evaluated.append((str(parameters), fold))
        value = loss(parameters) + fold  # folds differ more than settings do
        return FoldScore(value, value, 0.0)

    values: dict[str, Any] = {
        "space": SPACE,
        "n_folds": 3,
        "evaluate": evaluate,
        "work": lambda parameters: parameters["n_epochs"] / 10,
        "n_trials": 60,
        "max_work": 200.0,
        "seed": 0,
    }
    return Problem(**values | changes)


def test_the_minimum_is_found_in_sizes_and_other_dimensions() -> None:
    best = search(make_problem())[0]
    assert best.parameters["n_epochs"] == 20
    assert loss(best.parameters) < 1.1


def test_the_first_trial_is_the_defaults_on_all_folds() -> None:
    evaluated: list[tuple[str, int]] = []
    search(make_problem(evaluated))
    default = str(SPACE.parameters(np.zeros(3)))
    assert evaluated[:3] == [(default, 0), (default, 1), (default, 2)]
    assert len(set(evaluated)) == len(evaluated)  # nothing is trained twice


@given(
    n_trials=st.integers(1, 80),
    n_folds=st.integers(1, 10),
    max_work=st.floats(0, 100),
    seed=st.integers(0, 2**64),
)
def test_the_budget_is_kept_and_the_best_is_no_worse_than_the_defaults(
    n_trials: int, n_folds: int, max_work: float, seed: int
) -> None:
    problem = make_problem(n_trials=n_trials, n_folds=n_folds, max_work=max_work, seed=seed)
    trials = search(problem)
    assert 1 <= len(trials) <= n_trials
    assert sorted(trial.number for trial in trials) == list(range(len(trials)))
    work = sum(len(trial.scores) * problem.work(trial.parameters) for trial in trials)
    assert work <= max_work + 2 * n_folds  # of the defaults, and of the best of a round
    best = trials[0]
    default = next(trial for trial in trials if trial.number == 0)
    assert len(best.scores) == len(default.scores) == n_folds
    assert best.loss(n_folds) <= default.loss(n_folds)
    rest = [(-len(trial.scores), trial.loss(len(trial.scores))) for trial in trials[1:]]
    assert rest == sorted(rest)


def test_twice_the_epochs_have_to_be_worth_it() -> None:
    """Losses that decrease a little with more epochs, or not at all, leave their number."""

    def evaluate(parameters: dict[str, Any], fold: int) -> FoldScore:
        value = 1 - 1e-5 * parameters["n_epochs"] + fold
        return FoldScore(value, value, 0.0)

    assert search(make_problem(evaluate=evaluate))[0].parameters["n_epochs"] == 10


def test_half_of_the_epochs_have_to_be_worth_it_if_the_problem_says_so() -> None:
    """Losses that decrease a little with fewer epochs."""

    def evaluate(parameters: dict[str, Any], fold: int) -> FoldScore:
        value = 1 + 1e-5 * parameters["n_epochs"] + fold
        return FoldScore(value, value, 0.0)

    problem = make_problem(evaluate=evaluate)
    assert search(problem)[0].parameters["n_epochs"] == 5
    problem = replace(problem, min_gains=(0.01, 0.01))
    assert search(problem)[0].parameters["n_epochs"] == 10


def test_starts_are_tried_first_and_left_if_they_gain_little() -> None:
    starts = ("count_scale", 2.0), ("count_scale", -1.0), ("shrinkage", 1.0)
    trials = search(make_problem(starts=starts))
    tried = {trial.number: trial for trial in trials}
    default = SPACE.parameters(np.zeros(3))
    assert [tried[n].parameters["count_scale"] for n in range(3)] == [100, 400, 50]
    assert tried[3].round == 1
    assert tried[2].parameters == {**default, "count_scale": 50}
    assert tried[2].loss(3) < tried[0].loss(3)


def test_half_of_the_trials_of_a_round_are_dropped_on_each_fold() -> None:
    trials = [trial for trial in search(make_problem(n_folds=4)) if trial.round == 1]
    n_scores = sorted((len(trial.scores) for trial in trials), reverse=True)
    n = len(trials)
    half = -(-n // 2)
    quarter = -(-half // 2)
    assert n_scores == [4] * quarter + [2] * (half - quarter) + [1] * (n - half)
    dropped = [trial.loss(1) for trial in trials if len(trial.scores) == 1]
    kept = [trial.loss(1) for trial in trials if len(trial.scores) > 1]
    assert max(kept) <= min(dropped)


def test_the_seed_decides_which_settings_are_tried() -> None:
    first, again, other = (
        [trial.parameters for trial in search(make_problem(seed=seed))] for seed in (4, 4, 5)
    )
    assert first == again
    assert first != other


def test_time_ends_the_search_between_trainings() -> None:
    answers = iter([False] * 7 + [True])
    evaluated: list[tuple[str, int]] = []
    trials = search(make_problem(evaluated, is_over=lambda: next(answers)))
    assert len(evaluated) == 3 + 7 + 2  # the best of the round on the other two folds
    assert len(trials[0].scores) == 3


@pytest.mark.parametrize("n_trainings", [5, 15])
def test_the_best_of_an_unfinished_round_is_validated_on_all_folds(n_trainings: int) -> None:
    """Settings are not lost that are better than the defaults when the budget is spent."""
    answers = iter([False] * n_trainings)
    evaluated: list[tuple[str, int]] = []
    problem = make_problem(evaluated, n_folds=8, n_trials=22, is_over=lambda: next(answers, True))
    trials = search(problem)
    in_time = evaluated[8 : 8 + n_trainings]
    last = max(fold for _, fold in in_time)
    losses = {str(trial.parameters): loss(trial.parameters) for trial in trials}
    best = min((losses[parameters], parameters) for parameters, fold in in_time if fold == last)
    assert str(trials[0].parameters) == best[1]
    assert len(trials[0].scores) == 8
    assert len(evaluated) == 8 + n_trainings + 7 - last


def test_a_round_in_which_all_diverged_leaves_the_defaults() -> None:
    def evaluate(parameters: dict[str, Any], fold: int) -> FoldScore:  # noqa: ARG001
        value = 1.0 if parameters == SPACE.parameters(np.zeros(3)) else float("inf")
        return FoldScore(value, value, 0.0)

    trials = search(make_problem(evaluate=evaluate, max_work=8.0))
    assert trials[0].number == 0
    assert [len(trial.scores) for trial in trials[1:]] == [1] * 8


@given(n_trainings=st.integers(0, 40), n_folds=st.integers(1, 2))
def test_whenever_time_ends_the_best_of_the_trials_on_all_folds_is_chosen(
    n_trainings: int, n_folds: int
) -> None:
    """Regression: a round that time cut short counted for nothing."""
    answers = iter([False] * n_trainings + [True])
    problem = make_problem(n_folds=n_folds, is_over=lambda: next(answers))
    # Epochs stay at their default here, because twice their number have to be worth it.
    space = Space(tuple(each for each in SPACE.dimensions if not each.is_size))

    def evaluate(parameters: dict[str, Any], fold: int) -> FoldScore:
        return problem.evaluate({**parameters, "n_epochs": 10}, fold)

    trials = search(
        replace(problem, space=space, evaluate=evaluate, work=lambda parameters: 1.0)  # noqa: ARG005
    )
    complete = [trial.loss(n_folds) for trial in trials if len(trial.scores) == n_folds]
    assert trials[0].loss(n_folds) == min(complete)


def test_settings_that_diverge_are_ranked_last() -> None:
    problem = make_problem()

    def evaluate(parameters: dict[str, Any], fold: int) -> FoldScore:
        if parameters["learning_rate"]["factors"] > 0.1:
            return FoldScore(float("inf"), float("inf"), 0.0)
        return problem.evaluate(parameters, fold)

    trials = search(replace(problem, evaluate=evaluate))
    assert np.isfinite(trials[0].loss(3))
    assert trials[0].parameters["learning_rate"]["factors"] <= 0.1


@pytest.mark.parametrize("gain", [-0.5, 0.5])
def test_svdpp_terms_are_kept_if_they_are_better(gain: float) -> None:
    svdpp = Dimension(parameter="svdpp", defaults={None: 1}, low=0, high=1, is_size=True)
    problem = make_problem()

    def evaluate(parameters: dict[str, Any], fold: int) -> FoldScore:
        value = problem.evaluate(parameters, fold).loss - gain * parameters["svdpp"]
        return FoldScore(value, value, 0.0)

    space = Space((svdpp, *SPACE.dimensions))
    trials = search(replace(problem, space=space, evaluate=evaluate, starts=(("svdpp", 1.0),)))
    assert trials[0].parameters["svdpp"] == (gain > 0)
    (first,) = (trial for trial in trials if trial.number == 1)
    assert first.parameters == {**space.parameters(np.zeros(4)), "svdpp": True}


def test_progress_is_reported_after_every_training() -> None:
    reports: list[tuple[int, float]] = []
    trials = search(
        make_problem(report=lambda n_trials, best: reports.append((n_trials, best.loss(1))))
    )
    numbers = [n_trials for n_trials, _ in reports]
    assert numbers == sorted(numbers)
    assert numbers[-1] == len(trials)
    losses = [value for _, value in reports]
    assert losses == sorted(losses, reverse=True)


def test_without_dimensions_only_the_defaults_are_tried() -> None:
    problem = make_problem(
        space=Space(()),
        evaluate=lambda parameters, fold: FoldScore(1.0, 1.0, 0.0),  # noqa: ARG005
        work=lambda parameters: 1.0,  # noqa: ARG005
    )
    (trial,) = search(problem)
    assert trial.parameters == {}


@pytest.mark.parametrize("n_trials", [1, 2, 3])
def test_few_trials(n_trials: int) -> None:
    assert len(search(make_problem(n_trials=n_trials))) == n_trials
