"""DaskImplicitMatrixFactorization: what users of Dask see of it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clusters import start_cluster
from optional import dask, pandas, present, sklearn

import factorate as ft

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytest.importorskip("distributed", reason="needs Dask")

from factorate.dask import DaskImplicitMatrixFactorization


@pytest.fixture(scope="module")
def client() -> Generator[Any]:
    with start_cluster(2) as client:
        yield client


@pytest.fixture(scope="module")
def frame() -> Any:
    users, items, _ = ft.datasets.synthetic(1000, 60, 40)
    names = np.array([f"user {number:02}" for number in range(60)])
    return pandas.DataFrame({"user": names[users], "item": items, "other": 1})


def parts(frame: Any, n: int = 3) -> Any:
    return dask.dataframe.from_pandas(frame, npartitions=n, sort=False)


@pytest.fixture(scope="module")
def fitted(client: Any, frame: Any) -> DaskImplicitMatrixFactorization:
    model = DaskImplicitMatrixFactorization(4, n_epochs=2, random_state=0, client=client)
    return model.fit(parts(frame))


@pytest.fixture(scope="module")
def local(frame: Any) -> ft.ImplicitMatrixFactorization:
    return ft.ImplicitMatrixFactorization(4, n_epochs=2, random_state=0).fit(frame)


def test_the_parameters_are_those_of_the_local_estimator() -> None:
    own = DaskImplicitMatrixFactorization._parameters()
    local = ft.ImplicitMatrixFactorization._parameters()
    assert {name: own[name] for name in local} == dict(local)
    assert list(own) == [*local, "client"]


def test_to_local_returns_an_ordinary_model(
    fitted: DaskImplicitMatrixFactorization, local: ft.ImplicitMatrixFactorization, tmp_path: Path
) -> None:
    model = fitted.to_local()
    assert type(model) is ft.ImplicitMatrixFactorization
    assert model.get_params() == local.get_params()
    assert fitted.feature_names_in_.tolist() == ["user", "item"]
    fitted.save(tmp_path / "model.npz")
    loaded = ft.load(tmp_path / "model.npz")
    assert type(loaded) is ft.ImplicitMatrixFactorization
    np.testing.assert_array_equal(loaded.user_factors_, local.user_factors_)


def test_scores_and_recommendations_of_collections_are_lazy_and_equal(
    fitted: DaskImplicitMatrixFactorization, local: ft.ImplicitMatrixFactorization, frame: Any
) -> None:
    np.testing.assert_array_equal(fitted.predict(parts(frame, 4)).compute(), local.predict(frame))
    users = dask.dataframe.from_pandas(pandas.Series(local.users_, name="user"), npartitions=3)
    found = fitted.recommend(users, 4)
    assert found.npartitions == 3
    expected = local.recommend(local.users_, 4, as_frame=True)
    found = found.compute().reset_index(drop=True)
    pandas.testing.assert_frame_equal(found, expected, check_dtype=False)  # two types of text


def test_users_are_added_and_updated_as_in_the_local_model(
    fitted: DaskImplicitMatrixFactorization, local: ft.ImplicitMatrixFactorization
) -> None:
    more = ["someone", "user 03"], [3, 4]
    models = [pickle.loads(pickle.dumps(model)) for model in (fitted, local)]  # noqa: S301
    assert models[0].client is None
    for model in models:
        model.partial_fit(more)
    np.testing.assert_array_equal(models[0].user_factors_, models[1].user_factors_)


def test_scikit_learn_clones_the_estimator(client: Any) -> None:
    present(sklearn)
    assert sklearn.clone(DaskImplicitMatrixFactorization(5, client=client)).client is client


def test_empty_partitions_are_allowed(
    client: Any, frame: Any, local: ft.ImplicitMatrixFactorization
) -> None:
    given = parts(frame)
    given = dask.dataframe.concat([given[given["item"] > 100], given])
    model = DaskImplicitMatrixFactorization(4, n_epochs=2, random_state=0, client=client)
    np.testing.assert_array_equal(model.fit(given).user_factors_, local.user_factors_)
    with pytest.raises(ValueError, match="there are no interactions; at least one is needed"):
        model.fit(parts(frame[:0], 1))


def test_counts_that_are_not_above_0_name_the_partition(
    fitted: DaskImplicitMatrixFactorization, frame: Any
) -> None:
    before = fitted.user_factors_
    given = frame.assign(plays=np.where(frame.index == 750, 0, 1))
    with pytest.raises(ValueError, match=r"partition 2: counts\[\d+\] is 0.*drop that row"):
        fitted.fit(parts(given))
    assert fitted.user_factors_ is before


def test_counts_whose_sum_is_too_large_raise(client: Any, frame: Any) -> None:
    given = parts(frame[:6].assign(plays=4e26))
    with pytest.raises(ValueError, match=r"^the sum of the counts is 2\.4e\+27; expected at"):
        DaskImplicitMatrixFactorization(4, client=client).fit(given)


def test_a_store_of_dislikes_raises(client: Any, tmp_path: Path) -> None:
    store = ft.RatingStore.create(tmp_path / "a.store", ([1, 2], [3, 4], [1.0, -1.0]))
    with pytest.raises(ValueError, match=r"the lowest count of .* is -1"):
        DaskImplicitMatrixFactorization(4, client=client).fit(store)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"early_stopping": True}, "early_stopping=True on a cluster needs an eval_set"),
        ({"n_factors": 0}, "n_factors is 0"),
    ],
    ids=str,
)
def test_parameters_that_a_cluster_cannot_use_raise(
    client: Any, frame: Any, parameters: dict[str, Any], reason: str
) -> None:
    model = DaskImplicitMatrixFactorization(client=client, **parameters)
    with pytest.raises(ValueError, match=reason):
        model.fit(parts(frame))


def test_data_in_memory_raises(client: Any, frame: Any) -> None:
    model = DaskImplicitMatrixFactorization(client=client)
    with pytest.raises(TypeError, match=r"of Dask or a RatingStore.*use ImplicitMatrixFactoriz"):
        model.fit(frame)
    with pytest.raises(ValueError, match="y and wide cannot be used on a cluster; pass the counts"):
        model.fit(parts(frame), frame["item"])
