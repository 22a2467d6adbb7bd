"""Choose settings: the search space, validation on folds, and successive halving."""
