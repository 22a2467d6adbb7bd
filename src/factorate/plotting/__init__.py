"""Plots of models and predictions, one class for each. Matplotlib is imported when one is drawn."""

from factorate.plotting.calibration import CalibrationDisplay
from factorate.plotting.item_map import ItemMapDisplay
from factorate.plotting.learning_curve import LearningCurveDisplay
from factorate.plotting.popularity import PopularityDisplay
from factorate.plotting.residuals import ResidualsDisplay
from factorate.plotting.tuning import TuningDisplay

__all__ = [
    "CalibrationDisplay",
    "ItemMapDisplay",
    "LearningCurveDisplay",
    "PopularityDisplay",
    "ResidualsDisplay",
    "TuningDisplay",
]
