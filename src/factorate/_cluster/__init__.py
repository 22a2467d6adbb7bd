"""Training on a cluster of Dask: ratings and user factors stay on a worker, item factors travel."""
