"""Accuracy on MovieLens: several tables; all values are means over seeds 0 to 4.

Parameters are chosen on a tenth of each training set. Test sets are used only once, to evaluate the
chosen parameters and the defaults. The script reads ml-1m.npz, ml-100k.npz and
ml-latest-small-2018.npz from the folder FACTORATE_TEST_DATA (default ../shared/data) and saves the
plot of the learning-rate schedules to results/rules.svg.

Run: python -m benchmarks.accuracy [--libmf PATH] [--surprise]
"""

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import KFold

import factorate as ft
from benchmarks import figures
from benchmarks.engines import Job, libmf
from factorate._kernels import dispatch
from factorate._training.learning_rates import LEARNING_RATE_SCHEDULES

SEEDS = range(5)
RESULTS = Path(__file__).parent / "results"
DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data"
ENVIRONMENTS = Path.home() / ".cache" / "factorate-benchmarks"
RATES = tuple(10.0**power for power in range(-4, 4))

Columns = tuple[Any, Any, Any]
Parameters = dict[str, Any]

# Candidates; "chosen" is the combination with the lowest RMSE on a tenth of the training set.
PLAIN: dict[str, tuple[Any, ...]] = {
    "n_factors": (128, 256),
    "n_epochs": (20,),
    "learning_rate": ({"factors": 0.02}, {"factors": 0.03}, {"factors": 0.04}),
    "regularization": (0.03, 0.036, 0.042),
    "clip": (True,),
}
SVDPP: dict[str, tuple[Any, ...]] = {
    "svdpp": (True,),
    "n_factors": (128, 256),
    "n_epochs": (16,),
    "learning_rate": ({"factors": 0.028, "biases": 0.009}, {"factors": 0.034, "biases": 0.009}),
    "regularization": (0.025, 0.028, 0.032),
    "clip": (True,),
}
SMALL: dict[str, dict[str, tuple[Any, ...]]] = {
    "plain": PLAIN | {"regularization": (0.036, 0.045, 0.055)},
    "SVD++": SVDPP
    | {
        "n_factors": (64, 128),
        "n_epochs": (20,),
        "learning_rate": (
            {"factors": 0.04, "biases": 0.007},
            {"user_factors": 0.045, "item_factors": 0.065, "biases": 0.007},
        ),
        "regularization": (
            0.05,
            {"user_factors": 0.05, "item_factors": 0.1, "biases": 0.015},
            {"user_factors": 0.045, "item_factors": 0.08, "biases": 0.02},
        ),
    },
}
LARGE = {"plain": PLAIN, "SVD++": SVDPP}

SURPRISE = """
import sys, time
import numpy as np
from surprise import SVD, Trainset
data = np.load(sys.argv[1])
users, items, ratings = (data[name].tolist() for name in ("user", "item", "rating"))
by_user, by_item = {}, {}
for u, i, r in zip(users, items, ratings):
    by_user.setdefault(u, []).append((i, r))
    by_item.setdefault(i, []).append((u, r))
n_users, n_items = max(users) + 1, max(items) + 1
same = [dict(zip(range(n), range(n))) for n in (n_users, n_items)]
training = Trainset(by_user, by_item, n_users, n_items, len(users), (1, 5), *same)
start = time.perf_counter()
SVD(n_factors=100, random_state=0).fit(training)
print(time.perf_counter() - start)
"""


def read(name: str) -> Any:
    """Open a data set."""
    return np.load(Path(os.environ.get("FACTORATE_TEST_DATA", DEFAULT_FOLDER)) / f"{name}.npz")


def columns_of(data: Any) -> Columns:
    """Return the users, items and ratings of a data set."""
    return data["user"], data["item"], data["rating"]


def take(columns: Columns, rows: Any) -> Columns:
    """Select rows of all columns."""
    users, items, ratings = columns
    return users[rows], items[rows], ratings[rows]


def standard_split(columns: Columns) -> tuple[Columns, Columns]:
    """Return a training set and a test set, a random tenth drawn with seed 0."""
    order = np.random.default_rng(0).permutation(len(columns[0]))
    test, training = np.split(order, [len(order) // 10])
    return take(columns, training), take(columns, test)


def fit(
    training: Columns, seed: int, parameters: Parameters
) -> tuple[ft.MatrixFactorization, float]:
    """Fit a model with one thread; return the model and the seconds."""
    model = ft.MatrixFactorization(random_state=seed, n_threads=1, **parameters)
    start = time.perf_counter()
    model.fit(training)
    return model, time.perf_counter() - start


def grid(choices: dict[str, tuple[Any, ...]]) -> Iterator[Parameters]:
    """Yield all combinations of the candidates."""
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def choose(training: Columns, choices: dict[str, tuple[Any, ...]]) -> Parameters:
    """Return the parameters with the lowest RMSE on a tenth of the training set."""
    order = np.random.default_rng(1).permutation(len(training[0]))
    held_out, known = (take(training, rows) for rows in np.split(order, [len(order) // 10]))

    def error(parameters: Parameters) -> float:
        return fit(known, 0, parameters)[0].evaluate(held_out)["rmse"]

    return min(grid(choices), key=error)


def spread(values: list[float], digits: int = 4) -> str:
    """Format the mean and, in parentheses, the minimum and maximum."""
    low, mean, high = min(values), statistics.mean(values), max(values)
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def show(name: str, scores: list[dict[str, float]], seconds: list[float], how: Any) -> None:
    """Print one row of a table."""
    print(
        f"{name:<22} rmse {spread([score['rmse'] for score in scores])}  "
        f"mae {spread([score['mae'] for score in scores])}  "
        f"s {statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})  {how}",
        flush=True,
    )


def row(name: str, training: Columns, test: Columns, parameters: Parameters) -> None:
    """Print RMSE, MAE and seconds for one set of parameters."""
    runs = [fit(training, seed, parameters) for seed in SEEDS]
    scores = [model.evaluate(test) for model, _ in runs]
    show(name, scores, [seconds for _, seconds in runs], parameters or "defaults")


def libmf_job(training: Columns, path: str, n_factors: int, n_epochs: int) -> Job:
    """Describe the training of LIBMF with one thread."""
    users, items, ratings = training
    return Job(
        users=users,
        items=items,
        ratings=ratings,
        n_factors=n_factors,
        n_threads=1,
        n_epochs=n_epochs,
        n_users=int(users.max()) + 1,
        n_items=int(items.max()) + 1,
        libmf=path,
    )


def libmf_row(training: Columns, test: Columns, path: str, n_factors: int) -> None:
    """Print the result of LIBMF with the number of epochs that is best on the test set."""
    best = min(
        (libmf(libmf_job(training, path, n_factors, n)).rmse(*test), n) for n in range(6, 16)
    )
    job = libmf_job(training, path, n_factors, best[1])
    seconds = [libmf(job).seconds for _ in SEEDS]
    print(
        f"{f'LIBMF K={n_factors}':<22} rmse {best[0]:.4f}  s {statistics.median(seconds):.2f} "
        f"({min(seconds):.2f} to {max(seconds):.2f})  {best[1]} epochs, best on the test set"
    )


def movielens_1m(libmf_path: str | None) -> None:
    """Print the table for ML-1M."""
    print("\nMovieLens 1M, a random tenth held out, one thread")
    training, test = standard_split(columns_of(read("ml-1m")))
    for n_factors in (32, 64, 128):
        if libmf_path:
            libmf_row(training, test, libmf_path, n_factors)
        row(f"defaults, K={n_factors}", training, test, {"n_factors": n_factors})
    for name, choices in LARGE.items():
        row(f"chosen, {name}", training, test, choose(training, choices))


def folds(name: str, splits: list[tuple[Columns, Columns]], how: dict[str, Any]) -> None:
    """Print means over folds; parameters are chosen on the training set of each fold."""
    for label, choices in how.items():
        chosen = [choose(training, choices) if choices else {} for training, _ in splits]
        scores, seconds = [], []
        for seed in SEEDS:
            runs = [fit(split[0], seed, some) for split, some in zip(splits, chosen, strict=True)]
            each = [
                model.evaluate(split[1]) for (model, _), split in zip(runs, splits, strict=True)
            ]
            scores.append(
                {name: statistics.mean(score[name] for score in each) for name in ("rmse", "mae")}
            )
            seconds.append(sum(taken for _, taken in runs))
        distinct = [some for n, some in enumerate(chosen) if some not in chosen[:n]]
        show(f"{name}, {label}", scores, seconds, distinct if choices else "defaults")


def cross_validation() -> None:
    """Print 5-fold cross-validation, as in the README of scikit-surprise."""
    print("\n5-fold cross-validation, total seconds of all folds")
    for name, small in (("ml-100k", True), ("ml-1m", False)):
        columns = columns_of(read(name))
        folds_of_rows = KFold(5, shuffle=True, random_state=0).split(columns[0])
        splits = [(take(columns, known), take(columns, test)) for known, test in folds_of_rows]
        folds(name, splits, {"defaults": None} | (SMALL if small else LARGE))


def official_folds() -> None:
    """Print the results for the official folds of ML-100k."""
    print("\nMovieLens 100k, official folds")
    data = read("ml-100k")
    columns, fold = columns_of(data), data["fold"]
    splits = [(take(columns, fold != k), take(columns, fold == k)) for k in range(1, 6)]
    how: dict[str, Any] = {"defaults": None} | SMALL
    folds("five folds", splits, how)
    folds("fold 3", splits[2:3], how)


def scales() -> None:
    """Print the results of the defaults for two scales of the same ratings."""
    print("\nml-latest-small, a random tenth held out, defaults; the same times 20, minus 50")
    users, items, ratings = columns_of(read("ml-latest-small-2018"))
    for factor, shift in ((1, 0), (20, -50)):
        training, test = standard_split((users, items, factor * ratings + shift))
        row(f"times {factor}, plus {shift}", training, test, {})


def learning_rates() -> None:
    """Print the results for learning rates from far too low to far too high."""
    print("\nMovieLens 100k, a random tenth held out: RMSE by learning rate")
    training, test = standard_split(columns_of(read("ml-100k")))
    for schedule in LEARNING_RATE_SCHEDULES:
        outcomes = []
        for rate in RATES:
            parameters = {"learning_rate": rate, "learning_rate_schedule": schedule}
            try:
                model, _ = fit(training, 0, parameters)
            except ft.DivergenceError:
                outcomes.append("diverged")
            else:
                used = model.history_["learning_rate"][0]
                halved = "" if used == rate else f" at {used:.2g}"
                outcomes.append(f"{model.evaluate(test)['rmse']:.3f}{halved}")
        pairs = zip(RATES, outcomes, strict=True)
        print(f"{schedule:<10} " + ", ".join(f"{rate:g}: {outcome}" for rate, outcome in pairs))


def ten_folds(surprise: bool) -> None:
    """Print the seconds of ten folds of ML-1M with K = 100, and of one fit of scikit-surprise."""
    columns = columns_of(read("ml-1m"))
    folds_of_rows = KFold(10, shuffle=True, random_state=0).split(columns[0])
    splits = [(take(columns, known), take(columns, test)) for known, test in folds_of_rows]
    start = time.perf_counter()
    scores = [
        fit(training, 0, {"n_factors": 100})[0].evaluate(test)["rmse"] for training, test in splits
    ]
    seconds = time.perf_counter() - start
    print(f"\nML-1M, K=100, ten folds, fit and evaluate: {seconds:.1f} s, {spread(scores)}")
    python = ENVIRONMENTS / "scikit-surprise" / "bin" / "python"
    if surprise:
        folder = Path(os.environ.get("FACTORATE_TEST_DATA", DEFAULT_FOLDER))
        done = subprocess.run(
            [python, "-c", SURPRISE, folder / "ml-1m.npz"],
            capture_output=True,
            text=True,
            check=True,
        )
        print(f"scikit-surprise's SVD, one fit: {float(done.stdout):.1f} s")


def curves(libmf_path: str | None) -> None:
    """Plot test RMSE against the time of a fit, for each learning-rate schedule and LIBMF."""
    training, test = standard_split(columns_of(read("ml-1m")))
    numbers = (3, 4, 5, 6, 8, 10, 12, 15)
    figure, axes = figures.subplots(figsize=(7, 4.5))
    for schedule in LEARNING_RATE_SCHEDULES:
        points = []
        for n_epochs in numbers:
            parameters = {"n_epochs": n_epochs, "learning_rate_schedule": schedule}
            runs = [fit(training, 0, parameters) for _ in range(3)]
            seconds = statistics.median(taken for _, taken in runs)
            points.append((seconds, runs[0][0].evaluate(test)["rmse"]))
        axes.plot(*zip(*points, strict=True), marker=".", label=f"factorate, {schedule}")
    if libmf_path:
        points = []
        for n_epochs in numbers:
            job = libmf_job(training, libmf_path, 64, n_epochs)
            done = [libmf(job) for _ in range(3)]
            seconds = statistics.median(result.seconds for result in done)
            points.append((seconds, done[0].rmse(*test)))
        axes.plot(*zip(*points, strict=True), "k--", marker="x", label="LIBMF")
    axes.set(
        xlabel="seconds of training, one thread",
        ylabel="test RMSE",
        title="MovieLens 1M, K = 64: 3 to 15 epochs",
        ylim=(0.83, 0.88),
        xlim=(0, None),
    )
    axes.legend(frameon=False)
    figures.save(figure, RESULTS / "rules.svg")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--libmf", metavar="PATH", help="LIBMF's shared library")
    parser.add_argument("--surprise", action="store_true", help="also time scikit-surprise")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ft.UnknownIdWarning)
    print(f"{platform.machine()}, {dispatch.chosen()}, one thread, float32, seeds 0 to 4")
    movielens_1m(arguments.libmf)
    cross_validation()
    official_folds()
    scales()
    learning_rates()
    ten_folds(arguments.surprise)
    curves(arguments.libmf)


if __name__ == "__main__":
    main()
