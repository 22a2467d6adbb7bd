"""Training on a cluster of Dask."""
