"""summarize_fit: the lines, or JSON, that describe a fit; and the JSON of other commands."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import factorate as ft
from factorate.cli.fit_and_test import HeldOutErrors, HeldOutRanking
from factorate.implicit_model import ImplicitModel

if TYPE_CHECKING:
    from factorate.base import FactorModel
    from factorate.tuned_model import TunedModel


def summarize_fit(
    model: FactorModel,
    output: str | None,
    test: HeldOutErrors | HeldOutRanking | None,
    as_json: bool,
) -> str:
    """Describe a fit and its test.

    Parameters
    ----------
    model : MatrixFactorization
        The fitted model.
    output : str or None
        Where it is saved; None if it is not.
    test : HeldOutErrors, HeldOutRanking or None
        Errors for held-out ratings, or metrics on held-out interactions; None without a test.
    as_json : bool
        Whether to return an object of JSON rather than text.

    Returns
    -------
    str
    """
    if as_json:
        values = {"model": output} | sizes(model) | {"test": test and asdict(test)}
        if isinstance(model, ft.MatrixFactorizationCV):
            values |= {"best_params": model.best_params_, "best_rmse": model.best_rmse_}
        elif isinstance(model, ft.ImplicitMatrixFactorizationCV):
            values |= {"best_params": model.best_params_, "best_ndcg": model.best_ndcg_}
        return to_json(values)
    name = "not saved" if output is None else output
    n_users, n_items = len(model.users_), len(model.items_)
    text = f"{name}: {n_users:,} users, {n_items:,} items, K = {_n_factors(model)}"
    if isinstance(model, ImplicitModel):
        ndcg = valid_ndcg(model)
        if ndcg is not None:
            text += f", validation NDCG@10 {ndcg:.4f} (epoch {model.best_epoch_})"
        if isinstance(model, ft.ImplicitMatrixFactorizationCV):
            text += _describe_search(model, "NDCG@10", model.best_ndcg_)
        return text + ("" if test is None else _describe_ranking(test))
    error = train_rmse(model)
    if error is not None:
        text += f", training RMSE {error:.4f}"
    if isinstance(model, ft.MatrixFactorizationCV):
        text += _describe_search(model, "RMSE", model.best_rmse_)
    if isinstance(test, HeldOutErrors):
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


def sizes(model: FactorModel) -> dict[str, Any]:
    """Return the numbers that describe a model in JSON."""
    values: dict[str, Any] = {
        "n_users": len(model.users_),
        "n_items": len(model.items_),
        "n_factors": _n_factors(model),
        "n_epochs": model.n_epochs_,
    }
    if isinstance(model, ImplicitModel):
        loss = float(model.history_["loss"][-1])
        return values | {"loss": loss, "valid_ndcg": valid_ndcg(model)}
    return values | {"train_rmse": train_rmse(model)}


def train_rmse(model: FactorModel) -> float | None:
    """Return the training RMSE of the last epoch, or None if the model is not trained."""
    errors = model.history_["train_rmse"]
    return float(errors[-1]) if len(errors) else None


def valid_ndcg(model: FactorModel) -> float | None:
    """Return the validation NDCG of the best epoch, or None without validation interactions."""
    score = float(model.history_["valid_ndcg"][model.best_epoch_ - 1])
    return None if math.isnan(score) else score


def _n_factors(model: FactorModel) -> int:
    return int(model.item_factors_.shape[1])


def _describe_ranking(test: object) -> str:
    """Return the metrics on held-out interactions, and those of the most popular items."""
    assert isinstance(test, HeldOutRanking)  # noqa: S101  (for the type checker)
    return (
        f"\n{test.n_interactions:,} held-out interactions, {test.n_users:,} users"
        f"\n           NDCG@10  recall@10  hit rate@10"
        f"\n  model     {test.ndcg:.4f}     {test.recall:.4f}       {test.hit_rate:.4f}"
        f"\n  popular   {test.popular_ndcg:.4f}     {test.popular_recall:.4f}       "
        f"{test.popular_hit_rate:.4f}"
    )


def _describe_search(model: TunedModel, metric: str, best: float) -> str:
    """Return the validation metric of the chosen settings, and a line for each of them."""
    results = model.cv_results_
    of_defaults = results["mean_test_rmse" if metric == "RMSE" else "mean_test_ndcg"][0]
    text = (
        f"\nbest of {len(results['params'])} settings, validation {metric} {best:.4f}"
        f" (defaults: {of_defaults:.4f})"
    )
    return text + "".join(f"\n  {name:<15} {value}" for name, value in model.best_params_.items())
