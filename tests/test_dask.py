"""DaskMatrixFactorization: what users of Dask see of it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clusters import start_cluster
from optional import dask, distributed, pandas, present, pyarrow, sklearn

import factorate as ft

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytest.importorskip("distributed", reason="needs Dask")

from factorate.dask import DaskMatrixFactorization


@pytest.fixture(scope="module")
def client() -> Generator[Any]:
    with start_cluster(2) as client:
        yield client


@pytest.fixture(scope="module")
def frame() -> Any:
    users, items, ratings = ft.datasets.synthetic(1000, 60, 40)
    names = np.array([f"user {number:02}" for number in range(60)])
    return pandas.DataFrame(
        {"user": names[users], "item": items, "rating": np.round(ratings, 1), "other": 1}
    )


def parts(frame: Any, n: int = 3) -> Any:
    return dask.dataframe.from_pandas(frame, npartitions=n, sort=False)


@pytest.fixture(scope="module")
def fitted(client: Any, frame: Any) -> DaskMatrixFactorization:
    return DaskMatrixFactorization(4, n_epochs=2, random_state=0, client=client).fit(parts(frame))


@pytest.fixture(scope="module")
def local(frame: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(4, n_epochs=2, random_state=0).fit(frame)


def test_the_fitted_model_is_that_of_a_local_fit(
    fitted: DaskMatrixFactorization, local: ft.MatrixFactorization
) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_", "users_", "items_"):
        np.testing.assert_array_equal(getattr(fitted, name), getattr(local, name), name)
    assert fitted.global_mean_ == local.global_mean_
    np.testing.assert_array_equal(fitted.history_["train_rmse"], local.history_["train_rmse"])
    assert fitted.feature_names_in_.tolist() == ["user", "item"]


def test_the_parameters_are_those_of_the_local_estimator() -> None:
    own, local = (cls._parameters() for cls in (DaskMatrixFactorization, ft.MatrixFactorization))
    assert {name: own[name] for name in local} == dict(local)
    assert list(own) == [*local, "client"]


def test_to_local_returns_an_ordinary_model(
    fitted: DaskMatrixFactorization, local: ft.MatrixFactorization, tmp_path: Path
) -> None:
    model = fitted.to_local()
    assert type(model) is ft.MatrixFactorization
    assert model.get_params() == local.get_params()
    items, scores = model.recommend("user 03", 5)
    assert items.tolist() == local.recommend("user 03", 5)[0].tolist()
    fitted.save(tmp_path / "model.npz")
    loaded = ft.load(tmp_path / "model.npz")
    assert type(loaded) is ft.MatrixFactorization
    np.testing.assert_array_equal(loaded.user_factors_, local.user_factors_)
    assert np.isfinite(scores).all()


def test_predictions_of_a_collection_are_lazy_and_equal(
    fitted: DaskMatrixFactorization, local: ft.MatrixFactorization, frame: Any
) -> None:
    shuffled = frame.sample(frac=1, random_state=0)
    predicted = fitted.predict(parts(shuffled, 4))
    assert predicted.npartitions == 4
    assert predicted.dtype == np.float32
    found = predicted.compute()
    np.testing.assert_array_equal(found, local.predict(shuffled))
    assert found.index.tolist() == shuffled.index.tolist()


def test_predictions_of_other_pairs_are_arrays(
    fitted: DaskMatrixFactorization, local: ft.MatrixFactorization
) -> None:
    pairs = ["user 01", "user 02"], [3, 4]
    np.testing.assert_array_equal(fitted.predict(pairs), local.predict(pairs))


def test_recommendations_for_a_collection_are_lazy_and_equal(
    fitted: DaskMatrixFactorization, local: ft.MatrixFactorization
) -> None:
    users = dask.dataframe.from_pandas(pandas.Series(local.users_, name="user"), npartitions=3)
    found = fitted.recommend(users, 4)
    assert found.npartitions == 3
    assert list(found.columns) == ["user", "item", "score"]
    expected = local.recommend(local.users_, 4, as_frame=True)
    found = found.compute().reset_index(drop=True)
    pandas.testing.assert_frame_equal(found, expected, check_dtype=False)  # two types of text


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # in to_parquet of Dask
@pytest.mark.parametrize("kind", ["text", "integers"])
def test_recommendations_are_written_with_the_type_of_the_ids(
    client: Any, frame: Any, tmp_path: Path, kind: str
) -> None:
    present(pyarrow)
    if kind == "integers":
        frame = frame.assign(user=frame["user"].str[5:].astype("int64") + 2**60)
    model = DaskMatrixFactorization(4, n_epochs=1, random_state=0, client=client).fit(parts(frame))
    users = dask.dataframe.from_pandas(frame["user"].drop_duplicates(), npartitions=2)
    model.recommend(users, 3).to_parquet(tmp_path / "best")
    written = pandas.read_parquet(tmp_path / "best")
    assert set(written["user"]) == set(frame["user"])
    assert str(written["user"].dtype) == str(users.dtype)


def test_other_collections_raise(fitted: DaskMatrixFactorization, frame: Any) -> None:
    array = dask.array.zeros((4, 2))
    with pytest.raises(TypeError, match="X is Array of Dask; expected a DataFrame"):
        fitted.predict(array)
    with pytest.raises(TypeError, match="users is Array of Dask; expected a Series"):
        fitted.recommend(array)
    with pytest.raises(ValueError, match="unknown is 'no'"):
        fitted.predict(parts(frame), unknown="no")  # type: ignore[arg-type]


def test_scikit_learn_clones_the_estimator(client: Any) -> None:
    present(sklearn)
    model = DaskMatrixFactorization(5, client=client)
    assert sklearn.clone(model).client is client


def test_a_store_is_a_source(
    client: Any, frame: Any, local: ft.MatrixFactorization, tmp_path: Path
) -> None:
    store = ft.RatingStore.create(tmp_path / "a.store", frame)
    model = DaskMatrixFactorization(4, n_epochs=2, random_state=0, client=client).fit(store)
    np.testing.assert_array_equal(model.user_factors_, local.user_factors_)


@pytest.fixture(scope="module")
def real_valued() -> Any:
    """Ratings of more than 65,536 values, each rating but two with its own."""
    generator, n = np.random.default_rng(8), 70_000
    ratings = generator.normal(size=n)
    ratings[[7, n - 7]] = 0.0, -0.0
    users, items = generator.integers(0, 900, n), generator.integers(0, 400, n)
    return pandas.DataFrame({"user": users, "item": items, "rating": ratings})


def check_equal(found: Any, expected: Any) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_", "users_", "items_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    for name in ("train_rmse", "valid_rmse", "valid_loss"):
        np.testing.assert_array_equal(found.history_[name], expected.history_[name], name)
    assert found.global_mean_ == expected.global_mean_
    assert found.best_epoch_ == expected.best_epoch_
    np.testing.assert_array_equal(found._fitted.seen.items, expected._fitted.seen.items)
    assert found._fitted.bounds == expected._fitted.bounds


@pytest.mark.parametrize("source", ["frame", "store"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dtype": "float64", "early_stopping": True, "validation_fraction": 0.05},
        {"early_stopping": True, "validation_fraction": 0.5},  # the others have codes
    ],
    ids=str,
)
def test_real_valued_ratings_give_the_model_of_a_local_fit(
    client: Any, real_valued: Any, tmp_path: Path, source: str, settings: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"n_factors": 4, "n_epochs": 2, "random_state": 0} | settings
    X = parts(real_valued)
    if source == "store":
        X = ft.RatingStore.create(tmp_path / "a.store", real_valued)
    model = DaskMatrixFactorization(**given, client=client).fit(X)
    check_equal(model, ft.MatrixFactorization(**given).fit(real_valued))


def test_ratings_that_are_distinct_in_float64_alone_have_codes_in_float32(
    client: Any, tmp_path: Path
) -> None:
    numbers = np.arange(70_000)
    columns = numbers % 300, numbers // 300, 1 + numbers % 5 + numbers * 1e-12
    store = ft.RatingStore.create(tmp_path / "a.store", columns)
    for dtype in ("float32", "float64"):
        given: dict[str, Any] = {
            "n_factors": 4,
            "n_epochs": 2,
            "random_state": 0,
            "dtype": dtype,
        }
        model = DaskMatrixFactorization(**given, client=client).fit(store)
        check_equal(model, ft.MatrixFactorization(**given).fit(columns))


def test_errors_of_real_valued_ratings(client: Any, real_valued: Any) -> None:
    def fit(ratings: Any, **parameters: Any) -> None:
        frame = parts(real_valued.assign(rating=ratings))
        DaskMatrixFactorization(2, client=client, **parameters).fit(frame)

    ratings = real_valued["rating"]
    with pytest.raises(ValueError, match=r"more than 65,536 distinct ratings.*ratings of two val"):
        fit(ratings, loss="hinge")
    with pytest.raises(ValueError, match=r"is -\d.*; nonnegative=True expects ratings"):
        fit(ratings, nonnegative=True)
    with pytest.raises(ValueError, match=r"partition 1: .*nan"):
        fit(ratings.where(real_valued.index != 40_000))


EARLY: dict[str, Any] = {
    "n_factors": 4,
    "n_epochs": 30,
    "regularization": 0.0,
    "shrinkage": 0.0,
    "random_state": 0,
    "early_stopping": True,
    "patience": 2,
}


@pytest.mark.parametrize("source", ["frame", "store"])
def test_early_stopping_holds_out_the_ratings_of_a_local_fit(
    client: Any, frame: Any, tmp_path: Path, source: str
) -> None:
    X = parts(frame)
    if source == "store":
        X = ft.RatingStore.create(tmp_path / "a.store", frame)
    model = DaskMatrixFactorization(**EARLY, client=client).fit(X)
    local = ft.MatrixFactorization(**EARLY).fit(frame)
    assert local.best_epoch_ < local.n_epochs_ < 30
    check_equal(model, local)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"early_stopping": True, "random_state": 7},
        {"learning_rate_schedule": "adagrad", "fit_bias": False},
    ],
    ids=str,
)
def test_a_warm_start_is_that_of_a_local_fit(
    client: Any, frame: Any, settings: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"n_factors": 4, "n_epochs": 2, "random_state": 0} | settings
    gone = frame[:3].assign(item=[777, 778, 779])
    first = pandas.concat([frame[frame["item"] > 9], gone], ignore_index=True)
    model, local = DaskMatrixFactorization(client=client), ft.MatrixFactorization()
    model.set_params(**given).fit(parts(first))
    local.set_params(**given).fit(first)
    model.set_params(warm_start=True).fit(parts(frame))
    local.set_params(warm_start=True).fit(frame)
    check_equal(model, local)


def test_early_stopping_continues_from_a_checkpoint(
    client: Any, frame: Any, tmp_path: Path
) -> None:
    def interrupt(epoch: Any) -> None:
        if epoch.number == 2:
            raise RuntimeError

    model = DaskMatrixFactorization(**EARLY, client=client)
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(RuntimeError):
        model.fit(parts(frame), callbacks=[interrupt], checkpoint=path)
    numbers: list[int] = []
    model.fit(
        parts(frame, 2), callbacks=[lambda epoch: numbers.append(epoch.number)], checkpoint=path
    )
    assert numbers[0] == 3
    check_equal(model, ft.MatrixFactorization(**EARLY).fit(frame))


def test_empty_partitions_are_allowed(
    client: Any, frame: Any, local: ft.MatrixFactorization
) -> None:
    empty = parts(frame)
    empty = dask.dataframe.concat([empty[empty["rating"] > 100], empty])
    model = DaskMatrixFactorization(4, n_epochs=2, random_state=0, client=client).fit(empty)
    np.testing.assert_array_equal(model.user_factors_, local.user_factors_)
    assert not len(model.predict(empty[empty["rating"] > 100]).compute())


def test_callbacks_and_an_eval_set_are_those_of_a_local_fit(client: Any, frame: Any) -> None:
    options: dict[str, Any] = {
        "eval_set": frame[:100],
        "callbacks": [lambda epoch: epoch.number == 3],
    }
    model = DaskMatrixFactorization(4, random_state=0, client=client).fit(parts(frame), **options)
    local = ft.MatrixFactorization(4, random_state=0).fit(frame, **options)
    assert model.n_epochs_ == 3
    np.testing.assert_array_equal(model.history_["valid_rmse"], local.history_["valid_rmse"])


def test_many_partitions_are_read_in_one_graph(client: Any, frame: Any) -> None:
    graphs: list[Any] = []
    compute = client.compute

    def count(collections: Any) -> Any:
        graphs.append(collections)
        return compute(collections)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "compute", count)
        DaskMatrixFactorization(2, n_epochs=1, client=client).fit(parts(frame, 50))
    assert len(graphs) == 1


def test_a_fit_leaves_no_data_on_the_workers(client: Any, frame: Any) -> None:
    source = client.persist(parts(frame))
    distributed.wait(source)
    before = held_keys(client)
    DaskMatrixFactorization(4, n_epochs=1, client=client).fit(source)
    for _ in range(100):  # workers are told a little later
        if held_keys(client) <= before:
            return
        time.sleep(0.1)
    assert held_keys(client) <= before


def held_keys(client: Any) -> set[str]:
    return {str(key) for keys in client.has_what().values() for key in keys}


def test_pickle_leaves_the_client(fitted: DaskMatrixFactorization) -> None:
    copied = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert copied.client is None
    np.testing.assert_array_equal(copied.user_factors_, fitted.user_factors_)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"svdpp": True}, "svdpp=True cannot be used on a cluster"),
        ({"n_factors": -1}, "n_factors is -1"),
    ],
)
def test_parameters_that_a_cluster_cannot_use_raise(
    client: Any, frame: Any, parameters: dict[str, Any], reason: str
) -> None:
    model = DaskMatrixFactorization(client=client, **parameters)
    with pytest.raises(ValueError, match=reason):
        model.fit(parts(frame))


def test_data_in_memory_raises(client: Any, frame: Any) -> None:
    model = DaskMatrixFactorization(client=client)
    with pytest.raises(TypeError, match="X is DataFrame; expected a DataFrame of Dask"):
        model.fit(frame)
    with pytest.raises(ValueError, match="y, sample_weight and wide cannot be used"):
        model.fit(parts(frame), frame["rating"])


def test_a_partition_that_is_not_ratings_is_named(client: Any, frame: Any) -> None:
    damaged = frame.assign(rating=frame["rating"].where(frame.index != 750))
    with pytest.raises(ValueError, match=r"partition 2: .*nan"):
        DaskMatrixFactorization(client=client).fit(parts(damaged, 3))


def test_a_failed_fit_leaves_the_old_model(fitted: DaskMatrixFactorization, frame: Any) -> None:
    before = fitted.user_factors_
    with pytest.raises(ValueError, match=r"partition \d: .*inf"):
        fitted.fit(parts(frame.assign(rating=np.inf)))
    assert fitted.user_factors_ is before


def test_columns_that_cannot_be_recognized_raise(client: Any, frame: Any) -> None:
    named = frame.rename(columns={"user": "a", "item": "b", "rating": "c"})
    with pytest.raises(ValueError, match="columns"):
        DaskMatrixFactorization(client=client).fit(parts(named))
    model = DaskMatrixFactorization(2, n_epochs=1, columns=("a", "b", "c"), client=client)
    assert len(model.fit(parts(named)).users_) == 60


def test_a_missing_client_raises() -> None:
    code = "from factorate.dask import DaskMatrixFactorization as D; D().client_"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ValueError: No clients found" in done.stderr
