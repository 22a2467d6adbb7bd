"""Predictions, recommendations and neighbours, computed from factors."""
