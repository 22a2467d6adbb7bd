"""Ratings on disk, compared with ratings in memory and with other libraries."""
