"""summarize_fit: the lines, or JSON, that describe a fit; and the JSON of other commands."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import factorate as ft
    from factorate.cli.fit_and_test import HeldOutErrors


def summarize_fit(
    model: ft.MatrixFactorization, output: str | None, test: HeldOutErrors | None, as_json: bool
) -> str:
    """Describe a fit and its test.

    Parameters
    ----------
    model : MatrixFactorization
        The fitted model.
    output : str or None
        Where it is saved; None if it is not.
    test : HeldOutErrors or None
        Errors for held-out ratings; None if there are none.
    as_json : bool
        Whether to return an object of JSON rather than text.

    Returns
    -------
    str
    """
    if as_json:
        return to_json({"model": output} | sizes(model) | {"test": test and asdict(test)})
    name = "not saved" if output is None else output
    n_users, n_items = len(model.users_), len(model.items_)
    text = f"{name}: {n_users:,} users, {n_items:,} items, K = {model.n_factors}"
    error = train_rmse(model)
    if error is not None:
        text += f", training RMSE {error:.4f}"
    if test is not None:
        text += f"\nRMSE for {test.n_ratings:,} held-out ratings"
        if test.n_unknown:
            text += f", {test.n_unknown:,} of them with an unknown user or item"
        text += f"\n  model   {test.rmse:.4f}"
        text += f"\n  biases  {test.biases_rmse:.4f}"
        text += f"\n  mean    {test.mean_rmse:.4f}"
    return text


def to_json(values: dict[str, Any]) -> str:
    """Return values as JSON in one line."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def sizes(model: ft.MatrixFactorization) -> dict[str, Any]:
    """Return the numbers that describe a model in JSON."""
    return {
        "n_users": len(model.users_),
        "n_items": len(model.items_),
        "n_factors": model.n_factors,
        "n_epochs": model.n_epochs_,
        "train_rmse": train_rmse(model),
    }


def train_rmse(model: ft.MatrixFactorization) -> float | None:
    """Return the training RMSE of the last epoch, or None if the model is not trained."""
    errors = model.history_["train_rmse"]
    return float(errors[-1]) if len(errors) else None
