"""From factors to answers: recommendations, neighbours and tables."""
