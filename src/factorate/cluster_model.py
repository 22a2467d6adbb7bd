"""ClusterModel: the methods of models that train on a cluster of Dask."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from factorate._cluster.cluster import Cluster
from factorate._cluster.held import same
from factorate._input.column_names import find_columns
from factorate._input.unknown_ids import check_policy
from factorate._utils.validation import show
from factorate.base import FactorModel
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client
    from numpy.typing import ArrayLike

    from factorate._input.unknown_ids import Policy
    from factorate._serving.excluded_items import Exclude

MAX_BYTES = 2**62  # of a task, without a warning of Dask


class ClusterModel(FactorModel):
    """Base class of the models that train on a cluster; the other base is the local model."""

    _local: ClassVar[type[FactorModel]]
    client: Client | None

    def _training_parameters(self) -> dict[str, Any]:
        parameters = self.get_params()
        del parameters["client"]
        return parameters

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy with the same client, as scikit-learn copies the local model."""
        parameters = copy.deepcopy(self._training_parameters())
        cloned = type(self)(**parameters | {"client": self.client})
        if "_metadata_request" in vars(self):
            vars(cloned)["_metadata_request"] = copy.deepcopy(vars(self)["_metadata_request"])
        return cloned

    def __copy__(self) -> Self:
        """Return a copy with the same attributes."""
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy with copies of all attributes but the client, which cannot be copied."""
        memo[id(self.client)] = self.client
        copied = memo[id(self)] = type(self).__new__(type(self))
        vars(copied).update(copy.deepcopy(vars(self), memo))
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for pickle: no client, because it belongs to this process."""
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
        TypeError
            If `client` is not a client of distributed.
        ValueError
            If there is no client, or it is closed or asynchronous.
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
            when it is needed, with the client of the model, while that is open; else what the local
            model returns.

        Raises
        ------
        TypeError, ValueError
            If `X` is not pairs, its columns are not found, or there is no open client.
        NotFittedError
            If the model is not fitted.
        """
        if not _is_dask(X):
            return super().predict(X, unknown=unknown)  # type: ignore[misc]  # of the model
        _check_kind(X, "X", "DataFrame")
        check_policy(unknown)
        meta = (None, self._require().factors.user_factors.dtype)
        find_columns(X.columns.tolist(), self._checked_columns(), with_ratings=False)
        return X.map_partitions(_predict, self._send(with_seen=False), unknown, meta=meta)

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
        users : dask.dataframe.Series or Index, or users in any form that the local model accepts
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
            partition for each of `users`, whose index begins at 0 in each. It is computed when it
            is needed, with the client of the model, while that is open. Else what the local model
            returns.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, or there is no open client.
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
        _check_kind(users, "users", "Series")
        meta = super().recommend(self.users_[:1], as_frame=True, **options)[:0]
        if users.dtype != "category":  # whose categories may be unknown, or differ
            meta["user"] = meta["user"].astype(users.dtype)
        sent = self._send(with_seen=exclude_seen)
        found = users.map_partitions(_recommend, sent, options, meta.dtypes, meta=meta)
        return found.clear_divisions()  # those of `users` are ranges of another index

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

    def _send(self, *, with_seen: bool) -> Any:
        """Send the model to the workers, and return the task that has it.

        It is the argument of a task, so that the scheduler can send it again if a worker is lost.
        """
        import dask

        model = self.to_local()
        model._fitted = self._require().for_serving(with_seen=with_seen)
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": MAX_BYTES}):
            return self.client_.submit(same, model, pure=False)


def _find_client(client: Client | None, name: str) -> Client:
    try:
        from distributed import Client, default_client
    except ImportError:
        raise ImportError(f"{name} needs Dask: pip install 'factorate[dask]'") from None
    if not isinstance(client, Client | None):
        raise TypeError(
            f"client is {show(client)}; expected a distributed.Client, such as "
            f"Client('tcp://address:8786')"
        )
    found = client if client is not None else default_client()
    if found.status in ("closing", "closed"):
        raise ValueError("the client is closed; set an open one with set_params(client=…)")
    if found.asynchronous:
        raise ValueError("the client is asynchronous; pass one with asynchronous=False")
    return found


def _is_dask(data: Any) -> bool:
    """Return whether an object is a collection of Dask."""
    return callable(getattr(data, "__dask_graph__", None))


def _check_kind(data: Any, name: str, kind: Literal["DataFrame", "Series"]) -> None:
    """Raise TypeError unless a collection of Dask is of a kind; an Index is a Series."""
    if not _is_kind(data, kind):
        raise TypeError(f"{name} is {type(data).__name__} of Dask; expected a {kind} of Dask")


def _is_kind(data: Any, kind: Literal["DataFrame", "Series"]) -> bool:
    """Return whether a collection of Dask is of a kind."""
    import dask.dataframe

    return isinstance(data, getattr(dask.dataframe, kind))


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
    if not isinstance(X, RatingStore) and not (_is_dask(X) and _is_kind(X, "DataFrame")):
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
