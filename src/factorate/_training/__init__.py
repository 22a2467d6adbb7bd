"""Training: from ratings to factors."""
