"""Write the model files of this version, which every later version has to read.

Run once for each version that changes a format: python tests/models/make.py ratings, or implicit.
It writes <kind>-<version>.npz, and the values to expect from it to <kind>-<version>.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import factorate as ft

NAMES = np.array([f"user {chr(224 + row)}" for row in range(40)], object)
USERS, ITEMS, RATINGS = ft.datasets.synthetic(400, 40, 20, random_state=0)


def main(kind: str) -> None:
    """Train and save a small model of a kind."""
    model, expected = ratings_model() if kind == "ratings" else implicit_model()
    asked = model.users_[[0, 7, 40]], model.items_[[1, 3, 19]]
    seen = vars(model)["_fitted"].seen
    expected |= {
        "parameters": model.get_params(),
        "users": model.users_.tolist(),
        "items": model.items_.tolist(),
        "n_epochs": model.n_epochs_,
        "seen of the last user": seen.items[seen.starts[-2] :].tolist(),
        "pairs": [column.tolist() for column in asked],
        "predictions": model.predict(asked).tolist(),
    }
    path = Path(__file__).with_name(f"{kind}-{ft.__version__}.npz")
    model.save(path)
    text = json.dumps(expected, ensure_ascii=False, indent=1)
    path.with_suffix(".json").write_text(text + "\n", "utf-8")


def ratings_model() -> tuple[ft.MatrixFactorization, dict[str, Any]]:
    """Return a model with names, added users, accumulators and seen items."""
    model = ft.MatrixFactorization(
        4, 3, regularization={"factors": 0.1}, learning_rate_schedule="adagrad", random_state=7
    )
    model.fit((NAMES[USERS], ITEMS, RATINGS)).add_users((["new", "new"], [3, 5], [4.0, 1.0]))
    return model, {"mean": model.global_mean_}


def implicit_model() -> tuple[ft.ImplicitMatrixFactorization, dict[str, Any]]:
    """Return a model with names, counts, an added user, a partial fit and a validation history."""
    model = ft.ImplicitMatrixFactorization(4, 3, alpha=0.5, early_stopping=True, random_state=7)
    model.fit((NAMES[USERS], ITEMS, np.ceil(abs(RATINGS))))
    model.add_users((["new", "new"], [3, 5], [4, 1])).partial_fit(([NAMES[2]], [3], [2]))
    return model, {
        "history": {name: column.tolist() for name, column in model.history_.items()},
        "unobserved_weight": model.unobserved_weight_,
        "counts of the last user": vars(model)["_fitted"].seen.counts[-2:].tolist(),
        "recommended for 3 and 5": model.recommend_for({3: 4, 5: 1}, n=3, as_lists=True),
    }


if __name__ == "__main__":
    main(sys.argv[1])
