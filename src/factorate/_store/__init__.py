"""Ratings on disk: the files of a store, and how they are written and read."""
