"""The state of a fitted model: fit, partial_fit, fold-in, removal of users, and model files."""
