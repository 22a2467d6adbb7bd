"""From ratings to factors."""
