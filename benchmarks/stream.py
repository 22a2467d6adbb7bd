"""A stream of ratings: the last fifth of MovieLens 1M by time, in batches.

Each batch is predicted before it is used for training, by a model that is updated with
`partial_fit`, by one that is not updated, and by one that is retrained after every batch. Learning
rates are chosen on the preceding fifth. The script reads ml-1m.npz from the folder
FACTORATE_TEST_DATA (default ../shared/data).

Run: python -m benchmarks.stream
"""

import os
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import factorate as ft

DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data"
N_BATCHES = 100
RATES = (0.02, 0.03, 0.05, 0.08, 0.12, 0.2)

Columns = tuple[Any, Any, Any]


def take(columns: Columns, rows: Any) -> Columns:
    """Select rows of all columns."""
    users, items, ratings = columns
    return users[rows], items[rows], ratings[rows]


def rmse(errors: list[Any]) -> float:
    """Return the RMSE over all batches."""
    return float(np.sqrt(np.mean(np.square(np.concatenate(errors)))))


def error(model: ft.MatrixFactorization, batch: Columns) -> Any:
    """Return the error of each rating of a batch."""
    users, items, ratings = batch
    return model.predict((users, items)) - ratings


def stream(past: Columns, batches: list[Columns], **parameters: Any) -> tuple[float, list[float]]:
    """Predict and train on each batch; return the RMSE and the seconds of each `partial_fit`."""
    model = ft.MatrixFactorization(random_state=0, n_threads=1, **parameters).fit(past)
    errors, seconds = [], []
    for batch in batches:
        errors.append(error(model, batch))
        start = time.perf_counter()
        model.partial_fit(batch)
        seconds.append(time.perf_counter() - start)
    return rmse(errors), seconds


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore", ft.UnknownIdWarning)
    folder = Path(os.environ.get("FACTORATE_TEST_DATA", DEFAULT_FOLDER))
    data = np.load(folder / "ml-1m.npz")
    order = np.argsort(data["timestamp"], kind="stable")
    columns = take((data["user"], data["item"], data["rating"]), order)
    n = len(order)
    everything = np.arange(n)

    before, earlier, last = np.split(everything, [6 * n // 10, 8 * n // 10])
    batches = [take(columns, rows) for rows in np.array_split(earlier, N_BATCHES)]
    past = take(columns, before)
    chosen = {
        rate: stream(past, batches, partial_learning_rate={"factors": rate, "biases": rate})[0]
        for rate in RATES
    }
    best = min(chosen, key=lambda rate: chosen[rate])
    print("learning rates on the preceding fifth: ", end="")
    print(", ".join(f"{rate:g} {error:.4f}" for rate, error in chosen.items()))

    past = take(columns, everything[: 8 * n // 10])
    batch_rows = np.array_split(last, N_BATCHES)
    batches = [take(columns, rows) for rows in batch_rows]
    frozen = ft.MatrixFactorization(random_state=0).fit(past)
    print(f"the last fifth, {N_BATCHES} batches of {len(batch_rows[0]):,}, RMSE")
    print(f"no updates             {rmse([error(frozen, batch) for batch in batches]):.4f}")
    for name, rate in (("default", None), (f"{best:g}", {"factors": best, "biases": best})):
        found, seconds = stream(past, batches, partial_learning_rate=rate)
        print(
            f"partial_fit, {name:<9} {found:.4f}  {1000 * statistics.median(seconds):.1f} ms "
            f"({1000 * min(seconds):.1f} to {1000 * max(seconds):.1f}) a batch"
        )
    errors = []
    for rows, batch in zip(batch_rows, batches, strict=True):
        model = ft.MatrixFactorization(random_state=0).fit(take(columns, everything[: rows[0]]))
        errors.append(error(model, batch))
    print(f"retrained each time    {rmse(errors):.4f}")


if __name__ == "__main__":
    main()
