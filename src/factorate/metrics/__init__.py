"""Metrics of predicted ratings and of recommendations."""

from factorate.metrics.errors import mae, r2, rmse
from factorate.metrics.model_ranking import ranking
from factorate.metrics.top_n import (
    capped_recall,
    coverage,
    hit_rate,
    mean_average_precision,
    ndcg,
    precision,
    recall,
)

__all__ = [
    "capped_recall",
    "coverage",
    "hit_rate",
    "mae",
    "mean_average_precision",
    "ndcg",
    "precision",
    "r2",
    "ranking",
    "recall",
    "rmse",
]
