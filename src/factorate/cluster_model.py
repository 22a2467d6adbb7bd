"""ClusterModel: the methods of models that train on a cluster of Dask."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

from factorate._cluster.cluster import Cluster
from factorate._input.unknown_ids import check_policy
from factorate.base import FactorModel
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client
    from numpy.typing import ArrayLike

    from factorate._input.unknown_ids import Policy
    from factorate._serving.excluded_items import Exclude


class ClusterModel(FactorModel):
    """Base class of the models that train on a cluster; the other base is the local model."""

    _local: ClassVar[type[FactorModel]]
    client: Client | None

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
        return _find_client(self.client, type(self).__name__)

    @contextmanager
    def _connected(self) -> Iterator[Cluster]:
        """Find the workers, and release all that is on them when the block of code ends."""
        cluster = Cluster(self.client_)
        cluster.connect()
        with cluster.released():
            yield cluster

    def predict(self, X: Any, *, unknown: Policy = "warn") -> Any:
        """Predict the ratings of pairs of user and item, or their scores.

        Parameters
        ----------
        X : dask.dataframe.DataFrame, or pairs in any form that the local model accepts
            The pairs.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items. Workers warn in their own logs.

        Returns
        -------
        dask.dataframe.Series or ndarray of shape (n,)
            For a DataFrame of Dask, a Series with the same partitions and index, which is computed
            when it is needed; else what the local model returns.

        Raises
        ------
        TypeError, ValueError
            If `X` is not pairs.
        NotFittedError
            If the model is not fitted.
        """
        if not _is_dask(X):
            return super().predict(X, unknown=unknown)  # type: ignore[misc]  # of the model
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
        """Recommend the items with the highest predicted ratings, or the highest scores.

        Parameters
        ----------
        users : dask.dataframe.Series, or users in any form that the local model accepts
            Ids of users.
        n : int, default=10
            Number of items for each user.
        exclude_seen : bool, default=True
            Whether to leave out the items of the user in training.
        items : array-like, default=None
            Ids of the items to choose from; None for all items.
        exclude : array-like, set or mapping, default=None
            Ids of items to leave out, for all users or by user.
        as_frame, as_lists : bool, default=False
            As for the local model; not used for a Series of Dask.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items. Workers warn in their own logs.

        Returns
        -------
        dask.dataframe.DataFrame or tuple of ndarray
            For a Series of Dask, a DataFrame with columns "user", "item" and "score" and a
            partition for each of `users`, which is computed when it is needed; else what the local
            model returns.

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

    def to_local(self) -> Any:
        """Return an ordinary model with the same parameters and factors.

        Returns
        -------
        MatrixFactorization or ImplicitMatrixFactorization
            Shares the memory of the factors with this model; later changes of one do not affect
            the other.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        """
        model = self._local(**self._training_parameters())
        model._fitted = self._require()
        return model

    def _send(self) -> Any:
        """Send the model to the workers, and return the task that has it."""
        return self.client_.scatter(self.to_local(), broadcast=True, hash=False)


def _find_client(client: Client | None, name: str) -> Client:
    try:
        from distributed import default_client
    except ImportError:
        raise ImportError(f"{name} needs Dask: pip install 'factorate[dask]'") from None
    found = client if client is not None else default_client()
    if found.asynchronous:
        raise ValueError("the client is asynchronous; pass one with asynchronous=False")
    return found


def _is_dask(data: Any) -> bool:
    """Return whether an object is a collection of Dask."""
    return callable(getattr(data, "__dask_graph__", None))


def check_collection(X: Any, local: str) -> None:
    """Raise an error unless a cluster can read the input.

    Parameters
    ----------
    X : object
        The input.
    local : str
        Name of the local model.

    Raises
    ------
    TypeError
        If it is neither a DataFrame of Dask nor a store.
    """
    if not isinstance(X, RatingStore) and not (_is_dask(X) and hasattr(X, "columns")):
        raise TypeError(
            f"X is {type(X).__name__}; expected a DataFrame of Dask or a RatingStore. For data in "
            f"memory, use {local} or dask.dataframe.from_pandas"
        )


def _predict(frame: Any, model: Any, unknown: Policy) -> Any:
    """Predict the ratings or scores of a partition."""
    import pandas as pd

    dtype = model.user_factors_.dtype
    if not len(frame):
        return pd.Series([], index=frame.index, dtype=dtype)
    return pd.Series(model.predict(frame, unknown=unknown), index=frame.index)


def _recommend(users: Any, model: FactorModel, options: dict[str, Any], dtypes: Any) -> Any:
    """Recommend items to the users of a partition."""
    return model.recommend(users, as_frame=True, **options).astype(dtypes)
