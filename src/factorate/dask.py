"""DaskMatrixFactorization: matrix factorization of ratings on a cluster of Dask."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from factorate._cluster.cluster import Cluster
from factorate._fitted.cluster_training import read_on_cluster
from factorate._fitted.fit import fit
from factorate._input.unknown_ids import check_policy
from factorate._utils.writer_lock import writer_lock
from factorate.model import MatrixFactorization
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from distributed import Client
    from numpy.typing import ArrayLike

    from factorate._fitted.rating_state import RatingState
    from factorate._input.column_names import Names
    from factorate._input.unknown_ids import Policy
    from factorate._serving.excluded_items import Exclude
    from factorate._training.epoch import Epoch

    Rates = float | Mapping[str, float]

__all__ = ["DaskMatrixFactorization"]


class DaskMatrixFactorization(MatrixFactorization):
    """Matrix factorization of ratings on a cluster of Dask.

    The parameters, the update rule and the result, bit for bit, are those of
    `MatrixFactorization`, with any number of workers, even if workers are lost during training.

    Ratings and user factors stay on a worker; item factors travel from worker to worker. After each
    epoch, all factors are copied to a second worker.

    Parameters
    ----------
    n_factors : int, default=64
        Number of latent factors, K.
    n_epochs : int, default=10
        Number of passes over the training ratings.
    learning_rate : float, dict or None, default=None
        As for `MatrixFactorization`, and so are all parameters that follow, except `client`.
    regularization : float, dict or None, default=None
        L2 regularization of each rating.
    shrinkage : float, dict or None, default=None
        L2 regularization of each row.
    count_scale : float or None, default=150.0
        Number of ratings of a row from which its learning rate becomes lower.
    l1_regularization : float or dict, default=0.0
        L1 regularization of each rating.
    learning_rate_schedule : str, default="linear"
        How the learning rate changes from epoch to epoch.
    loss : str, default="squared"
        The loss to minimize.
    huber_delta : float, default=1.0
        Error above which the Huber loss is linear.
    nonnegative : bool, default=False
        Whether to keep factors and biases ≥ 0.
    svdpp : bool, default=False
        Must be False: SVD++ terms need all items of a user in one memory.
    early_stopping : bool, default=False
        Whether to stop when the validation loss has not improved, which the client measures: the
        factors are sent to it after each epoch.
    validation_fraction : float, default=0.1
        Fraction of the ratings to hold out if there is no `eval_set`. They are sent to the client,
        where validation takes about 200 bytes for each.
    patience : int, default=3
        Number of epochs without improvement before training stops early.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit.
    partial_learning_rate : float, dict or None, default=None
        Learning rate of new users and items in `partial_fit`.
    clip : bool, default=False
        Whether to limit predictions to the range of the training ratings.
    fit_bias : bool, default=True
        Whether to fit biases of users and items.
    fit_mean : bool, default=True
        Whether to centre the ratings.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the initial factors and the order of updates.
    n_threads : int or None, default=None
        Number of threads of the client's own computations. On the cluster, all threads of its
        workers are used.
    dtype : str, default="float32"
        Type of the factors and biases.
    columns : tuple of str, or None, default=None
        Names of the user, item and rating columns.
    verbose : bool, default=False
        Whether to show a progress bar.
    keep_seen : bool, default=True
        Whether to store which items each user has rated. The pairs of all ratings are sent to the
        client for that, a row band at a time.
    client : distributed.Client or None, default=None
        The client of the cluster; None is the default client, which was created last.

    See Also
    --------
    MatrixFactorization : The same on one machine.
    RatingStore : Ratings on a disk of one machine.

    Notes
    -----
    All workers need the same version of factorate as the client, and the same instruction set,
    because results depend on both.

    Examples
    --------
    >>> import dask.dataframe as dd, pandas as pd, factorate as ft
    >>> from distributed import Client
    >>> from factorate.dask import DaskMatrixFactorization
    >>> users, items, ratings = ft.datasets.synthetic(1000, 50, 40)
    >>> frame = pd.DataFrame({"user": users, "item": items, "rating": ratings.round(1)})
    >>> with Client(processes=False, n_workers=1, dashboard_address=None) as client:
    ...     model = DaskMatrixFactorization(4, random_state=0)
    ...     _ = model.fit(dd.from_pandas(frame, npartitions=3))
    >>> local = ft.MatrixFactorization(4, random_state=0).fit(frame)
    >>> bool((model.user_factors_ == local.user_factors_).all())
    True
    """

    def __init__(
        self,
        n_factors: int = 64,
        n_epochs: int = 10,
        *,
        learning_rate: Rates | None = None,
        regularization: Rates | None = None,
        shrinkage: Rates | None = None,
        count_scale: float | None = 150.0,
        l1_regularization: Rates = 0.0,
        learning_rate_schedule: str = "linear",
        loss: str = "squared",
        huber_delta: float = 1.0,
        nonnegative: bool = False,
        svdpp: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 3,
        warm_start: bool = False,
        partial_learning_rate: Rates | None = None,
        clip: bool = False,
        fit_bias: bool = True,
        fit_mean: bool = True,
        random_state: int | np.random.Generator | np.random.RandomState | None = None,
        n_threads: int | None = None,
        dtype: str = "float32",
        columns: Names | None = None,
        verbose: bool = False,
        keep_seen: bool = True,
        client: Client | None = None,
    ) -> None:
        super().__init__(
            n_factors,
            n_epochs,
            learning_rate=learning_rate,
            regularization=regularization,
            shrinkage=shrinkage,
            count_scale=count_scale,
            l1_regularization=l1_regularization,
            learning_rate_schedule=learning_rate_schedule,
            loss=loss,
            huber_delta=huber_delta,
            nonnegative=nonnegative,
            svdpp=svdpp,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            warm_start=warm_start,
            partial_learning_rate=partial_learning_rate,
            clip=clip,
            fit_bias=fit_bias,
            fit_mean=fit_mean,
            random_state=random_state,
            n_threads=n_threads,
            dtype=dtype,
            columns=columns,
            verbose=verbose,
            keep_seen=keep_seen,
        )
        self.client = client

    def _training_parameters(self) -> dict[str, Any]:
        parameters = self.get_params()
        del parameters["client"]
        return parameters

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy with the same client, which cannot be copied itself."""
        return type(self)(**self.get_params())

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without the client, which belongs to this process."""
        return {**vars(self), "client": None}

    @property
    def client_(self) -> Client:
        """The client of the cluster.

        Returns
        -------
        distributed.Client
            The parameter `client`, or the default client.

        Raises
        ------
        ImportError
            If distributed is not installed.
        ValueError
            If there is no client.
        """
        return _find_client(self.client)

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        wide: bool = False,
        eval_set: Any = None,
        callbacks: Sequence[Callable[[Epoch], object]] = (),
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Fit the model to ratings.

        Parameters
        ----------
        X : dask.dataframe.DataFrame or RatingStore
            The ratings: a DataFrame of Dask with columns for user, item and rating, or a store
            whose folder all workers can read. Its partitions should have millions of ratings at
            most, because a worker holds a few of them at a time.
        y, sample_weight : None
            Must be None.
        wide : bool, default=False
            Must be False.
        eval_set : ratings, optional
            Validation ratings in any form that `MatrixFactorization.fit` accepts, which the client
            evaluates after each epoch.
        callbacks : sequence of callable, default=()
            As for `MatrixFactorization.fit`; the client calls them.
        checkpoint : str or path-like, optional
            Path of a file on the client to which the state of training is written after each
            epoch, and from which training continues; see `MatrixFactorization.fit`.

        Returns
        -------
        DaskMatrixFactorization
            The fitted model itself, whose factors are in the memory of the client.

        Raises
        ------
        TypeError, ValueError
            If a parameter or the ratings have the wrong type or an invalid value.
        ImportError
            If Dask is not installed.
        ClusterError
            If the scheduler or all workers are gone, or both copies of some factors. The model is
            unchanged.
        DivergenceError
            If training diverges, even after halving the learning rate five times.
        KeyboardInterrupt
            If the user interrupts training. The model keeps the epochs finished so far.
        """
        _check_input(X, y, sample_weight, wide)

        def store(fitted: RatingState) -> None:
            self._fitted = fitted

        with writer_lock(self):
            parameters = self._training_parameters()
            cluster = Cluster(self.client_)
            cluster.connect()
            with cluster.released():
                read = partial(read_on_cluster, parameters, cluster, X, eval_set)
                old = vars(self).get("_fitted")
                fit(parameters, read, callbacks, old, store, checkpoint)
        return self

    def predict(self, X: Any, *, unknown: Policy = "warn") -> Any:
        """Predict the ratings of pairs of user and item.

        Parameters
        ----------
        X : dask.dataframe.DataFrame, or pairs in any form that `MatrixFactorization` accepts
            The pairs.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items. Workers warn in their own logs.

        Returns
        -------
        dask.dataframe.Series or ndarray of shape (n,)
            For a DataFrame of Dask, a Series with the same partitions and index, which is computed
            when it is needed; else what `MatrixFactorization.predict` returns.

        Raises
        ------
        TypeError, ValueError
            If `X` is not pairs.
        NotFittedError
            If the model is not fitted.
        """
        if not _is_dask(X):
            return super().predict(X, unknown=unknown)
        if not hasattr(X, "map_partitions"):
            raise TypeError(f"X is {type(X).__name__} of Dask; expected a DataFrame of Dask")
        check_policy(unknown)
        meta = (None, self._require().factors.user_factors.dtype)
        return X.map_partitions(_predict, self._send(), unknown, meta=meta)

    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: Exclude | None = None,
        *,
        as_frame: bool = False,
        as_lists: bool = False,
        unknown: Policy = "warn",
    ) -> Any:
        """Recommend the items with the highest predicted ratings.

        Parameters
        ----------
        users : dask.dataframe.Series, or users in any form that `MatrixFactorization` accepts
            Ids of users.
        n : int, default=10
            Number of items for each user.
        exclude_seen : bool, default=True
            Whether to leave out the items that a user rated in training.
        items : array-like, default=None
            Ids of the items to choose from; None for all items.
        exclude : array-like, set or mapping, default=None
            Ids of items to leave out, for all users or by user.
        as_frame, as_lists : bool, default=False
            As for `MatrixFactorization.recommend`; not used for a Series of Dask.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items. Workers warn in their own logs.

        Returns
        -------
        dask.dataframe.DataFrame or tuple of ndarray
            For a Series of Dask, a DataFrame with columns "user", "item" and "score" and a
            partition for each of `users`, which is computed when it is needed; else what
            `MatrixFactorization.recommend` returns.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        NotFittedError
            If the model is not fitted.
        """
        options: dict[str, Any] = {
            "n": n,
            "exclude_seen": exclude_seen,
            "items": items,
            "exclude": exclude,
            "unknown": unknown,
        }
        if not _is_dask(users):
            return super().recommend(users, as_frame=as_frame, as_lists=as_lists, **options)
        if not hasattr(users, "map_partitions") or users.ndim != 1:
            raise TypeError(f"users is {type(users).__name__} of Dask; expected a Series of Dask")
        meta = super().recommend(self.users_[:1], as_frame=True, **options)[:0]
        meta["user"] = meta["user"].astype(users.dtype)
        return users.map_partitions(_recommend, self._send(), options, meta.dtypes, meta=meta)

    def to_local(self) -> MatrixFactorization:
        """Return an ordinary model with the same parameters and factors.

        Returns
        -------
        MatrixFactorization
            Shares the memory of the factors with this model; later changes of one do not affect
            the other.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        """
        model = MatrixFactorization(**self._training_parameters())
        model._fitted = self._require()
        return model

    def _send(self) -> Any:
        """Send the model to the workers, and return the task that has it."""
        return self.client_.scatter(self.to_local(), broadcast=True, hash=False)


def _find_client(client: Client | None) -> Client:
    try:
        from distributed import default_client
    except ImportError:
        raise ImportError(
            "DaskMatrixFactorization needs Dask: pip install 'factorate[dask]'"
        ) from None
    found = client if client is not None else default_client()
    if found.asynchronous:
        raise ValueError("the client is asynchronous; pass one with asynchronous=False")
    return found


def _is_dask(data: Any) -> bool:
    """Return whether an object is a collection of Dask."""
    return callable(getattr(data, "__dask_graph__", None))


def _check_input(X: Any, y: Any, sample_weight: Any, wide: bool) -> None:
    """Raise an error unless a cluster can train on the input."""
    if not isinstance(X, RatingStore) and not (_is_dask(X) and hasattr(X, "columns")):
        raise TypeError(
            f"X is {type(X).__name__}; expected a DataFrame of Dask or a RatingStore. For data in "
            f"memory, use MatrixFactorization or dask.dataframe.from_pandas"
        )
    if y is not None or sample_weight is not None or wide:
        raise ValueError(
            "y, sample_weight and wide cannot be used on a cluster; pass the ratings as a column "
            "of X"
        )


def _predict(frame: Any, model: MatrixFactorization, unknown: Policy) -> Any:
    """Predict the ratings of a partition."""
    import pandas as pd

    dtype = model.user_factors_.dtype
    if not len(frame):
        return pd.Series([], index=frame.index, dtype=dtype)
    return pd.Series(model.predict(frame, unknown=unknown), index=frame.index)


def _recommend(users: Any, model: MatrixFactorization, options: dict[str, Any], dtypes: Any) -> Any:
    """Recommend items to the users of a partition."""
    return model.recommend(users, as_frame=True, **options).astype(dtypes)
