"""The estimators that train on a cluster of Dask."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from factorate._fitted.cluster_interactions import read_interactions_on_cluster
from factorate._fitted.cluster_training import read_on_cluster
from factorate._fitted.fit import fit
from factorate._fitted.implicit_fit import fit_implicit
from factorate._utils.writer_lock import writer_lock
from factorate.cluster_model import ClusterModel, check_collection
from factorate.implicit import ImplicitMatrixFactorization
from factorate.model import MatrixFactorization

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from distributed import Client
    from numpy.typing import ArrayLike

    from factorate._fitted.implicit_state import ImplicitState
    from factorate._fitted.rating_state import RatingState
    from factorate._input.column_names import Names
    from factorate._training.epoch import Epoch
    from factorate._training.implicit_epoch import ImplicitEpoch

    Rates = float | Mapping[str, float]

__all__ = ["DaskImplicitMatrixFactorization", "DaskMatrixFactorization"]


class DaskMatrixFactorization(ClusterModel, MatrixFactorization):
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
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
    ...     model = DaskMatrixFactorization(4, random_state=0)
    ...     _ = model.fit(dd.from_pandas(frame, npartitions=3))
    >>> local = ft.MatrixFactorization(4, random_state=0).fit(frame)
    >>> bool((model.user_factors_ == local.user_factors_).all())
    True
    """

    _local = MatrixFactorization

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
        check_collection(X, "MatrixFactorization")
        if y is not None or sample_weight is not None or wide:
            raise ValueError(
                "y, sample_weight and wide cannot be used on a cluster; pass the ratings as a "
                "column of X"
            )

        def store(fitted: RatingState) -> None:
            self._fitted = fitted

        with writer_lock(self):
            parameters = self._training_parameters()
            with self._connected() as cluster:
                read = partial(read_on_cluster, parameters, cluster, X, eval_set)
                old = vars(self).get("_fitted")
                fit(parameters, read, callbacks, old, store, checkpoint)
        return self

    def partial_fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        wide: bool = False,
    ) -> Self:
        """Update the model with more ratings, in a single pass, on the client.

        A model without a fit is fitted as by `fit`, on the cluster.

        Parameters
        ----------
        X : ratings in any form that `MatrixFactorization.partial_fit` accepts
            The ratings; a DataFrame of Dask is collected in the memory of the client. For a model
            without a fit, a DataFrame of Dask or a RatingStore.
        y, sample_weight : array-like of shape (n_ratings,), optional
            As for `MatrixFactorization.partial_fit`; None for a model without a fit.
        wide : bool, default=False
            Whether `X` is a table of users × items; False for a model without a fit.

        Returns
        -------
        DaskMatrixFactorization
            The model itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter or the ratings have the wrong type or an invalid value.
        DivergenceError
            If the update diverges. After any error the model is unchanged.
        """
        with writer_lock(self):
            if not self.__sklearn_is_fitted__():
                return self.fit(X, y, sample_weight, wide=wide)
            return super().partial_fit(X, y, sample_weight, wide=wide)


class DaskImplicitMatrixFactorization(ClusterModel, ImplicitMatrixFactorization):
    """Matrix factorization of implicit feedback on a cluster of Dask.

    The parameters, the objective and the result, bit for bit, are those of
    `ImplicitMatrixFactorization`, with any number of workers, even if workers are lost during
    training.

    Each worker has the interactions of a group of users and of a group of items. In half an epoch,
    it gets the factors of all items, or of all users, from the other workers, so the factors of
    both must fit in its memory, once for the fewer and twice for the more.

    Parameters
    ----------
    n_factors : int, default=64
        Number of latent factors, K.
    n_epochs : int, default=16
        Number of epochs.
    regularization : float, default=0.25
        As for `ImplicitMatrixFactorization`, and so are all parameters that follow, except
        `client`.
    unobserved_weight : float or None, default=None
        Weight of each pair of user and item, observed or not.
    alpha : float or None, default=None
        How counts become weights.
    early_stopping : bool, default=False
        Whether to stop when the validation NDCG has not improved; needs an `eval_set`.
    validation_fraction : float, default=0.1
        Not used.
    patience : int, default=3
        Number of epochs without improvement before training stops early.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the initial factors.
    n_threads : int or None, default=None
        Number of threads of the client's own computations. On the cluster, all threads of its
        workers are used.
    dtype : str, default="float32"
        Type of the factors.
    columns : tuple of str, or None, default=None
        Names of the user and item columns, and maybe that of the counts.
    verbose : bool, default=False
        Whether to show a progress bar.
    keep_seen : bool, default=True
        Whether to store the interactions, which are sent to the client after training.
    client : distributed.Client or None, default=None
        The client of the cluster; None is the default client, which was created last.

    See Also
    --------
    ImplicitMatrixFactorization : The same on one machine.
    DaskMatrixFactorization : The model for ratings.

    Notes
    -----
    All workers need the same version of factorate as the client, and the same instruction set,
    because results depend on both.

    Examples
    --------
    >>> import dask.dataframe as dd, pandas as pd, factorate as ft
    >>> from distributed import Client
    >>> from factorate.dask import DaskImplicitMatrixFactorization
    >>> users, items, _ = ft.datasets.synthetic(1000, 50, 40)
    >>> frame = pd.DataFrame({"user": users, "item": items})
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
    ...     model = DaskImplicitMatrixFactorization(4, random_state=0)
    ...     _ = model.fit(dd.from_pandas(frame, npartitions=3))
    >>> local = ft.ImplicitMatrixFactorization(4, random_state=0).fit(frame)
    >>> bool((model.user_factors_ == local.user_factors_).all())
    True
    """

    _local = ImplicitMatrixFactorization

    def __init__(
        self,
        n_factors: int = 64,
        n_epochs: int = 16,
        *,
        regularization: float = 0.25,
        unobserved_weight: float | None = None,
        alpha: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 3,
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
            regularization=regularization,
            unobserved_weight=unobserved_weight,
            alpha=alpha,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            random_state=random_state,
            n_threads=n_threads,
            dtype=dtype,
            columns=columns,
            verbose=verbose,
            keep_seen=keep_seen,
        )
        self.client = client

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        wide: bool = False,
        eval_set: Any = None,
        callbacks: Sequence[Callable[[ImplicitEpoch], object]] = (),
    ) -> Self:
        """Fit the model to interactions.

        Parameters
        ----------
        X : dask.dataframe.DataFrame or RatingStore
            The interactions: a DataFrame of Dask with columns for user and item, and maybe one of
            counts or weights, or a store whose folder all workers can read, and whose ratings are
            the counts. Its partitions should have millions of interactions at most, because a
            worker holds a few of them at a time.
        y : None
            Must be None.
        wide : bool, default=False
            Must be False.
        eval_set : interactions, optional
            Validation interactions in any form that `ImplicitMatrixFactorization.fit` accepts,
            which the client evaluates after each epoch. All factors are sent to it for that.
        callbacks : sequence of callable, default=()
            As for `ImplicitMatrixFactorization.fit`; the client calls them.

        Returns
        -------
        DaskImplicitMatrixFactorization
            The fitted model itself, whose factors are in the memory of the client.

        Raises
        ------
        TypeError, ValueError
            If a parameter or the interactions have the wrong type or an invalid value.
        ImportError
            If Dask is not installed.
        ClusterError
            If the scheduler or all workers are gone, or both copies of some factors. The model is
            unchanged.
        DivergenceError
            If factors become infinite or NaN.
        KeyboardInterrupt
            If the user interrupts training. The model keeps the epochs finished so far.
        """
        check_collection(X, "ImplicitMatrixFactorization")
        if y is not None or wide:
            raise ValueError(
                "y and wide cannot be used on a cluster; pass the counts as a column of X"
            )

        def store(fitted: ImplicitState) -> None:
            self._fitted = fitted

        with writer_lock(self):
            parameters = self._training_parameters()
            with self._connected() as cluster:
                read = partial(read_interactions_on_cluster, parameters, cluster, X, eval_set)
                fit_implicit(parameters, read, callbacks, self._make_validator, store)
        return self

    def partial_fit(self, X: Any, y: ArrayLike | None = None, *, wide: bool = False) -> Self:
        """Update the model with more interactions, on the client.

        A model without a fit is fitted as by `fit`, on the cluster.

        Parameters
        ----------
        X : interactions in any form that `ImplicitMatrixFactorization.partial_fit` accepts
            The interactions; a DataFrame of Dask is collected in the memory of the client. For a
            model without a fit, a DataFrame of Dask or a RatingStore.
        y : array-like of shape (n,), optional
            Counts or weights of the pairs `X`; None for a model without a fit.
        wide : bool, default=False
            Whether `X` is a table of users × items; False for a model without a fit.

        Returns
        -------
        DaskImplicitMatrixFactorization
            The model itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter or the interactions have the wrong type or an invalid value, or the model
            was fitted with ``keep_seen=False``.
        DivergenceError
            If factors become infinite or NaN. After any error the model is unchanged.
        """
        with writer_lock(self):
            if not self.__sklearn_is_fitted__():
                return self.fit(X, y, wide=wide)
            return super().partial_fit(X, y, wide=wide)
