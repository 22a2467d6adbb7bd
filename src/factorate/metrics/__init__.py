"""Metrics of predicted ratings and of recommendations."""

from factorate.metrics.errors import mae, r2, rmse
from factorate.metrics.top_n import (
    hit_rate,
    mean_average_precision,
    ndcg,
    precision,
    ranking,
    recall,
)

__all__ = [
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
