"""ClusterModel: collections of Dask in its methods, its client and its copies."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clusters import close_worker, start_cluster
from optional import dask, distributed, pandas, present, sklearn

import factorate as ft

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

pytest.importorskip("distributed", reason="needs Dask")

from factorate.dask import DaskImplicitMatrixFactorization, DaskMatrixFactorization

Model = DaskImplicitMatrixFactorization | DaskMatrixFactorization


@pytest.fixture(scope="module")
def client() -> Generator[Any]:
    with start_cluster(2) as client:
        yield client


@pytest.fixture(scope="module")
def frame() -> Any:
    users, items, ratings = ft.datasets.synthetic(400, 30, 40)
    names = np.array([f"user {number:02}" for number in range(30)])
    return pandas.DataFrame({"user": names[users], "item": items, "rating": np.round(ratings, 1)})


@pytest.fixture(scope="module", params=[DaskMatrixFactorization, DaskImplicitMatrixFactorization])
def fitted(request: pytest.FixtureRequest, client: Any, frame: Any) -> Model:
    columns = ["user", "item", "rating"][: 3 if request.param is DaskMatrixFactorization else 2]
    model: Model = request.param(4, n_epochs=1, random_state=0, client=client)
    return model.fit(parts(frame[columns]))


@pytest.fixture
def users(fitted: Model) -> Any:
    return pandas.Series(fitted.users_, name="user")


def parts(frame: Any, n: int = 2) -> Any:
    return dask.dataframe.from_pandas(frame, npartitions=n, sort=False)


def check_recommendations(found: Any, fitted: Model) -> None:
    expected = fitted.recommend(fitted.users_, 3, as_frame=True)
    computed = found.compute().reset_index(drop=True)
    pandas.testing.assert_frame_equal(computed, expected, check_dtype=False)  # two types of text


# Collections


@pytest.mark.parametrize("known", [True, False])
def test_users_may_be_categorical(fitted: Model, users: Any, known: bool) -> None:
    given = parts(users).astype("category")
    if known:
        given = given.cat.as_known()
    found = fitted.recommend(given, 3)
    check_recommendations(found, fitted)
    assert found.dtypes.astype(str).tolist() == found.compute().dtypes.astype(str).tolist()


def test_users_may_be_an_index(fitted: Model, users: Any) -> None:
    given = dask.dataframe.from_pandas(users.to_frame().set_index("user"), npartitions=2).index
    check_recommendations(fitted.recommend(given, 3), fitted)


def test_the_index_of_recommendations_begins_at_0_in_each_partition(
    fitted: Model, users: Any
) -> None:
    given = dask.dataframe.from_pandas(users, npartitions=2)
    found = fitted.recommend(given, 3)
    assert given.known_divisions
    assert not found.known_divisions
    assert found.partitions[1].compute().index.tolist() == list(range(45))


@pytest.mark.parametrize("kind", ["Delayed", "Bag", "Array", "Series", "DataFrame"])
def test_other_collections_raise_at_the_call(fitted: Model, frame: Any, kind: str) -> None:
    make: dict[str, Callable[[], Any]] = {
        "Delayed": lambda: dask.delayed(len)(()),
        "Bag": lambda: pytest.importorskip("dask.bag").from_sequence([1]),
        "Array": lambda: pytest.importorskip("dask.array").zeros((4, 2)),
        "Series": lambda: parts(frame)["user"],
        "DataFrame": lambda: parts(frame),
    }
    given = make[kind]()
    if kind != "DataFrame":
        with pytest.raises(TypeError, match=rf"X is {kind} of Dask; expected a DataFrame of Dask"):
            fitted.predict(given)
        with pytest.raises(TypeError, match=rf"X is {kind}; expected a DataFrame of Dask or a Rat"):
            fitted.fit(given)
    if kind != "Series":
        with pytest.raises(TypeError, match=rf"users is {kind} of Dask; expected a Series of Dask"):
            fitted.recommend(given)


def test_columns_that_are_not_found_raise_at_the_call(fitted: Model, frame: Any) -> None:
    named = parts(frame.rename(columns={"user": "a", "item": "b", "rating": "c"}))
    with pytest.raises(ValueError, match="cannot tell the column of user and item among"):
        fitted.predict(named)
    model = copy.copy(fitted).set_params(columns=("a", "d"))
    with pytest.raises(ValueError, match="names 'd', which is not among the columns"):
        model.predict(named)
    model.set_params(columns=("a", "b"))
    np.testing.assert_array_equal(model.predict(named).compute(), fitted.predict(frame))


def test_other_methods_collect_a_frame_on_the_client(fitted: Model, frame: Any) -> None:
    more = frame[:6].assign(user="someone")
    models = copy.copy(fitted), copy.copy(fitted)
    for model, given in zip(models, (parts(more), more), strict=True):
        model.add_users(given)
        model.partial_fit(given[given["item"] < 9])
    np.testing.assert_array_equal(models[0].user_factors_, models[1].user_factors_)
    np.testing.assert_array_equal(models[0].item_factors_, models[1].item_factors_)
    assert len(models[0].users_) == len(fitted.users_) + 1
    others = frame.assign(item=(frame["item"] + 1) % 30)
    errors = [fitted.evaluate(given, unknown="ignore") for given in (parts(others), others)]
    assert errors[0] == errors[1]


def test_validation_ratings_may_be_a_frame_of_dask(client: Any, frame: Any) -> None:
    losses = [
        DaskMatrixFactorization(2, n_epochs=1, random_state=0, client=client)
        .fit(parts(frame), eval_set=given)
        .history_["valid_loss"][0]
        for given in (parts(frame[:50]), frame[:50])
    ]
    assert losses[0] == losses[1] > 0


def test_a_first_partial_fit_is_a_fit_on_the_cluster(client: Any, frame: Any) -> None:
    model = DaskMatrixFactorization(2, n_epochs=1, random_state=0, client=client)
    with pytest.raises(TypeError, match="X is tuple; expected a DataFrame of Dask or a RatingSt"):
        model.partial_fit((["a"], [1], [3]))
    with pytest.raises(ValueError, match="y, sample_weight and wide cannot be used on a cluster"):
        model.partial_fit(parts(frame), wide=True)
    fitted = copy.copy(model).fit(parts(frame))
    np.testing.assert_array_equal(
        model.partial_fit(parts(frame)).user_factors_, fitted.user_factors_
    )


# Workers


@pytest.mark.parametrize("method", ["predict", "recommend"])
def test_results_are_computed_without_the_worker_that_had_the_model(
    fitted: Model, frame: Any, users: Any, method: str
) -> None:
    with start_cluster(2) as client:
        model = copy.copy(fitted).set_params(client=client)
        if method == "predict":
            predicted = model.predict(parts(frame))
        else:
            found = model.recommend(parts(users), 3)
        (key,) = client.futures
        distributed.wait(distributed.Future(key, client))
        (address,) = client.who_has()[key]
        addresses = [worker.address for _, worker in sorted(client.cluster.workers.items())]
        close_worker(client, addresses.index(address))
        assert address not in client.nthreads()
        if method == "predict":
            np.testing.assert_array_equal(predicted.compute(), fitted.predict(frame))
        else:
            check_recommendations(found, fitted)


def test_workers_may_come_later(fitted: Model, frame: Any) -> None:
    with start_cluster(0) as client:
        predicted = copy.copy(fitted).set_params(client=client).predict(parts(frame))
        client.cluster.scale(1)
        np.testing.assert_array_equal(predicted.compute(), fitted.predict(frame))


def test_workers_get_what_a_result_needs(fitted: Model, frame: Any, users: Any) -> None:
    sent: list[Any] = []
    submit = fitted.client_.submit

    def record(function: Any, model: Any, **options: Any) -> Any:
        sent.append(model)
        return submit(function, model, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitted.client, "submit", record)
        results = [
            fitted.predict(parts(frame)),
            fitted.recommend(parts(users), 3, exclude_seen=False),
            fitted.recommend(parts(users), 3),
        ]
    assert [model._fitted.seen is None for model in sent] == [True, True, False]
    for model in sent:
        assert not model.history_
        assert not any(map(len, getattr(model._fitted, "progress", ())))
    expected = fitted.recommend(fitted.users_, 3, exclude_seen=False, as_frame=True)
    assert results[1].compute()["item"].tolist() == expected["item"].tolist()
    check_recommendations(results[2], fitted)


def test_a_large_model_is_sent_without_a_warning(fitted: Model, frame: Any) -> None:
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "3 kB"}):
        predicted = fitted.predict(parts(frame[["user", "item"]]))
    assert len(predicted.compute()) == len(frame)


# The client


def test_a_client_that_cannot_be_used_raises(fitted: Model, frame: Any) -> None:
    model = copy.copy(fitted).set_params(client="tcp://scheduler:8786")
    with pytest.raises(TypeError, match=r"client is 'tcp://sch.*expected a distributed.Client"):
        model.predict(parts(frame))
    with distributed.Client(fitted.client.scheduler.address) as closed:  # type: ignore[union-attr]
        pass
    model.set_params(client=closed)
    with pytest.raises(ValueError, match="the client is closed; set an open one with set_params"):
        model.fit(parts(frame))


def test_a_clone_has_the_client_and_copies_of_the_other_parameters(client: Any) -> None:
    present(sklearn)
    generator, rates = np.random.default_rng(0), {"factors": 0.1}
    models = [
        DaskMatrixFactorization(random_state=generator, learning_rate=rates, client=client),
        ft.MatrixFactorization(random_state=generator, learning_rate=rates),
    ]
    for model in models:
        model.set_fit_request(sample_weight=True)
    own, local = map(sklearn.clone, models)
    assert own.client is client
    assert own.random_state is not generator
    assert own.random_state.random() == local.random_state.random() == generator.random()
    assert own.learning_rate == rates
    assert own.learning_rate is not rates
    assert own.get_metadata_routing().fit.requests == local.get_metadata_routing().fit.requests


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_copies_have_the_client(fitted: Model, make: Callable[[Any], Any]) -> None:
    client = fitted.client_
    fitted = copy.copy(fitted).set_params(random_state=np.random.default_rng(0))
    copied = make(fitted)
    assert copied.client is client
    np.testing.assert_array_equal(copied.user_factors_, fitted.user_factors_)
    assert (copied.random_state is fitted.random_state) is (make is copy.copy)
    assert not copied.user_factors_.flags.writeable
