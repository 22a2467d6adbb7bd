"""Write the model file of this version, which every later version has to read.

Run once for each version that changes the format: python tests/models/make.py
It writes <version>.npz, and the values to expect from it to <version>.json.
"""

import json
from pathlib import Path

import numpy as np

import factorate as ft


def main() -> None:
    """Train and save a small model with names, added users, accumulators and seen items."""
    users, items, ratings = ft.datasets.synthetic(400, 40, 20, random_state=0)
    names = np.array([f"user {chr(224 + row)}" for row in range(40)], object)
    model = ft.MatrixFactorization(
        4, 3, regularization={"factors": 0.1}, learning_rate_schedule="adagrad", random_state=7
    )
    model.fit((names[users], items, ratings)).add_users((["new", "new"], [3, 5], [4.0, 1.0]))
    asked = model.users_[[0, 7, 40]], model.items_[[1, 3, 19]]
    seen = vars(model)["_fitted"].seen
    expected = {
        "parameters": model.get_params(),
        "users": model.users_.tolist(),
        "items": model.items_.tolist(),
        "n_epochs": model.n_epochs_,
        "mean": model.global_mean_,
        "seen of the last user": seen.items[seen.starts[-2] :].tolist(),
        "pairs": [column.tolist() for column in asked],
        "predictions": model.predict(asked).tolist(),
    }
    path = Path(__file__).with_name(f"{ft.__version__}.npz")
    model.save(path)
    text = json.dumps(expected, ensure_ascii=False, indent=1)
    path.with_suffix(".json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
