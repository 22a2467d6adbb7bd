"""Comparison of models of implicit feedback."""
