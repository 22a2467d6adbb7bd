"""Results in files are those in memory, and take little of it."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import present
from optional import pyarrow as pa
from stores import write_store

import factorate as ft
from factorate._serving.recommend import recommend_rows
from factorate._serving.result_files import batch_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_USERS, N_ITEMS = batch_size(3) + 1000, 60


@pytest.fixture(autouse=True)
def _needs_pyarrow() -> None:
    present((pa, pd))


@pytest.fixture(scope="module")
def ratings() -> Any:
    generator = np.random.default_rng(0)
    pairs = generator.choice(N_USERS * N_ITEMS, 30_000, replace=False)
    users, items = np.divmod(pairs, N_ITEMS)
    users[0] = N_USERS - 1
    return users * 5, np.char.add("item ", items.astype(str)).astype(object), pairs % 9 / 2 + 1


@pytest.fixture(scope="module")
def model(ratings: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(6, 2, random_state=0, clip=True).fit(ratings)


def read(path: Path) -> Any:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


# Recommendations


@pytest.mark.parametrize(
    "options",
    [
        {"n": 3},
        {"n": 80, "users": [5, 0, 5, 10]},
        {"n": 2, "users": 35, "exclude_seen": False},
        {"n": 4, "items": ["item 3", "item 7", "item 11"]},
        {"n": 5, "users": np.arange(20) * 5, "exclude": {0: ["item 1"], 5: ["item 2", "item 3"]}},
    ],
    ids=str,
)
def test_recommendations_are_those_in_memory(
    model: ft.MatrixFactorization, options: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "out.parquet"
    model.write_recommendations(path, **options)
    expected = model.recommend(**options, as_frame=True)
    found = read(path)
    assert found["score"].dtype == np.float32
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_recommendations_of_a_model_of_implicit_feedback(ratings: Any, tmp_path: Path) -> None:
    implicit = ft.ImplicitMatrixFactorization(4, n_epochs=2, random_state=0).fit(ratings[:2])
    path = tmp_path / "out.parquet"
    implicit.write_recommendations(path, n=2)
    expected = implicit.recommend(n=2, as_frame=True)
    pd.testing.assert_frame_equal(read(path), expected, check_exact=True)
    implicit.write_predictions(path, ratings[:2])
    assert list(read(path)) == ["user", "item", "score"]
    np.testing.assert_array_equal(read(path)["score"], implicit.predict(ratings[:2]))


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_the_ending_decides_the_format(ending: str, tmp_path: Path) -> None:
    texts = {
        "csv": '"user","item","score"\n"b","x",2\n',
        "tsv": '"user"\t"item"\t"score"\n"b"\t"x"\t2\n',
        "jsonl": '{"user": "b", "item": "x", "score": 2.0}\n',
    }
    model = ft.MatrixFactorization(0, 1).fit((["a", "b"], ["x", "y"], [2, 2]))
    path = tmp_path / f"out.{ending}"
    model.write_recommendations(path, "b")
    assert path.read_text() == texts[ending]


@pytest.mark.parametrize(
    "ids", [[uuid.UUID(int=n) for n in (1, 2)], [b"a", b"b"], [1, 2**70], [True, False]], ids=str
)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_ids_of_any_kind(ids: list[Any], ending: str, tmp_path: Path) -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0).fit((ids, ids, [1, 2]))
    path = tmp_path / f"out.{ending}"
    model.write_recommendations(path)
    expected = [value if isinstance(value, bytes) else str(value) for value in model.users_]
    if ending == "csv":
        expected = [value.decode() if isinstance(value, bytes) else value for value in expected]

    def shown(column: Any) -> list[Any]:
        return [value if isinstance(value, bytes) else str(value) for value in column]

    assert shown(read(path)["user"]) == expected
    model.write_predictions(path, (model.users_, model.items_))
    assert shown(read(path)["item"]) == expected


def test_no_users_and_no_pairs_give_tables_without_rows(
    model: ft.MatrixFactorization, tmp_path: Path
) -> None:
    path = tmp_path / "out.parquet"
    calls: list[Callable[[], None]] = [
        lambda: model.write_recommendations(path, []),
        lambda: model.write_predictions(path, ([], [])),
        lambda: model.write_predictions(path, iter([])),
    ]
    for write in calls:
        write()
        table = pa.parquet.read_table(path)
        assert table.num_rows == 0
        assert [str(field.type) for field in table.schema] == ["int64", "string", "float"]


def test_unknown_users_of_recommendations(model: ft.MatrixFactorization, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with pytest.warns(ft.UnknownIdWarning, match="1 of 2 rows names 1 unknown user") as caught:
        model.write_recommendations(path, [5, -1], n=4)
    assert caught[0].filename == __file__
    expected = model.recommend([5, -1], n=4, as_frame=True, unknown="ignore")
    pd.testing.assert_frame_equal(read(path), expected, check_exact=True)
    with pytest.raises(ft.UnknownIdError):
        model.write_recommendations(path, [5, -1], unknown="raise")


# Predictions


def sources(ratings: Any, folder: Path) -> Iterator[tuple[Any, list[str]]]:
    """Yield pairs in every form, with the names of their columns."""
    users, items, _ = ratings
    frame = pd.DataFrame({"movieId": items, "userId": users})
    frame.to_parquet(folder / "pairs.parquet")
    frame[["userId", "movieId"]].to_csv(folder / "pairs.csv", index=False)
    named = ["userId", "movieId"]
    yield folder / "pairs.parquet", named
    yield str(folder / "pairs.csv"), named
    with (folder / "pairs.csv").open("rb") as file:
        yield file, named
    yield pa.dataset.dataset(folder / "pairs.parquet"), named
    yield frame, named
    yield pd.read_csv(folder / "pairs.csv", chunksize=7000), named
    yield (users, items), ["user", "item"]
    yield list(zip(users.tolist(), items.tolist(), strict=True)), ["user", "item"]
    halves: Any = (([], []), (users[:9000], items[:9000]), (users[9000:], items[9000:].tolist()))
    yield iter(halves), ["user", "item"]
    yield write_store(folder / "a.store", ratings, chunk_ratings=8000), ["user", "item"]


def test_predictions_are_those_in_memory(
    model: ft.MatrixFactorization, ratings: Any, tmp_path: Path
) -> None:
    import pyarrow.dataset  # noqa: F401

    path = tmp_path / "out.parquet"
    expected = model.predict(ratings[:2])
    for source, names in sources(ratings, tmp_path):
        model.write_predictions(path, source)
        found = read(path)
        assert list(found) == [*names, "prediction"]
        np.testing.assert_array_equal(found[names[0]], ratings[0])
        np.testing.assert_array_equal(found[names[1]], ratings[1])
        np.testing.assert_array_equal(found["prediction"], expected)
        assert found["prediction"].dtype == expected.dtype


def test_columns_are_named_as_by_predict(ratings: Any, tmp_path: Path) -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0, columns=("who", "what", "stars"))
    model.fit(pd.DataFrame(dict(zip(("who", "what", "stars"), ratings, strict=True))))
    pairs, path = tmp_path / "pairs.csv", tmp_path / "out.csv"
    pairs.write_text("what,when,who\nitem 1,7,5\n")
    model.write_predictions(path, pairs)
    assert path.read_text().splitlines()[0] == '"who","what","prediction"'


def test_one_warning_counts_the_unknown_ids_of_all_batches(
    model: ft.MatrixFactorization, tmp_path: Path
) -> None:
    path = tmp_path / "out.parquet"

    def batches() -> Iterator[Any]:
        yield [-1, 5, -2], ["item 1", "item 2", "?"]
        yield [5, 10], ["item 1", "item 2"]
        yield [-3, -1, -4], ["item 1", "item 2", "item 3"]

    message = (
        r"^5 of 8 rows name unknown users \(-1, -2, -3, …\); 1 of 8 rows names unknown items "
        r"\('\?'\): their biases and factors count as 0 in predictions$"
    )
    with pytest.warns(ft.UnknownIdWarning, match=message) as caught:
        model.write_predictions(path, batches())
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert len(read(path)) == 8
    model.write_predictions(path, batches(), unknown="ignore")
    with pytest.raises(ft.UnknownIdError, match="2 of 3 rows name 2 unknown users"):
        model.write_predictions(path, batches(), unknown="raise")
    with pytest.raises(ValueError, match="unknown is 'no'"):
        model.write_predictions(path, batches(), unknown="no")  # type: ignore[arg-type]


def test_unknown_ids_of_a_store_are_counted_once_each(
    model: ft.MatrixFactorization, tmp_path: Path
) -> None:
    store = write_store(tmp_path / "a.store", ([-1, -1, 5], ["item 1", "item 2", "?"], [1, 2, 3]))
    path = tmp_path / "out.csv"
    with pytest.warns(ft.UnknownIdWarning, match="1 of 2 users of the store are unknown") as caught:
        model.write_predictions(path, store)
    assert caught[0].filename == __file__
    expected = model.predict(([-1, -1, 5], ["item 1", "item 2", "?"]), unknown="ignore")
    np.testing.assert_allclose(read(path)["prediction"], expected, rtol=1e-6)


def test_a_progress_bar_is_shown(
    ratings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(ratings)
    model.write_recommendations(tmp_path / "out.csv", n=1)
    assert capsys.readouterr().err == ""
    model.set_params(verbose=True)
    model.write_recommendations(tmp_path / "out.csv", n=1)
    assert f"{len(model.users_) / 1000:.2f}k/" in capsys.readouterr().err
    model.write_predictions(tmp_path / "out.csv", ratings[:2])
    assert "30.0k pairs" in capsys.readouterr().err


# Errors


def both(model: ft.MatrixFactorization, path: Path) -> tuple[Callable[[], None], ...]:
    return (
        lambda: model.write_recommendations(path),
        lambda: model.write_predictions(path, ([5], ["item 1"])),
    )


def test_an_error_leaves_the_old_file(
    model: ft.MatrixFactorization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.parquet"
    path.write_text("old")

    def batches() -> Iterator[Any]:
        yield [5, 10], ["item 1", "item 2"]
        yield [5, 10], [1, 2]

    with pytest.raises(TypeError, match=r"^batch 1: items are integer"):
        model.write_predictions(path, batches())
    with pytest.raises(FileNotFoundError):
        model.write_predictions(path, tmp_path / "missing.csv")
    with pytest.raises(ValueError, match="n is 0"):
        model.write_recommendations(path, n=0)
    n_calls = itertools.count(1)

    def interrupt(*arguments: Any, **options: Any) -> Any:
        if next(n_calls) == 2:
            raise KeyboardInterrupt
        return recommend_rows(*arguments, **options)

    monkeypatch.setattr("factorate._serving.result_files.recommend_rows", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.write_recommendations(path, n=3)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_column_of_the_pairs_is_overwritten(
    model: ft.MatrixFactorization, ratings: Any, tmp_path: Path
) -> None:
    """Regression: ids in a column of the name of the results were lost."""
    model = copy.copy(model).set_params(columns=None)
    frame = pd.DataFrame({"user": [5], "prediction": ["item 1"]})
    implicit = ft.ImplicitMatrixFactorization(2, n_epochs=1, random_state=0).fit(ratings[:2])
    scores = frame.rename(columns={"prediction": "score"})
    for fitted, pairs in ((model, frame), (implicit, scores)):
        title = pairs.columns[1]
        fitted.set_params(columns=("user", title))
        with pytest.raises(ValueError, match=f"the column '{title}' holds ids"):
            fitted.write_predictions(tmp_path / "out.csv", pairs)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_batches_have_the_columns_of_the_first(
    model: ft.MatrixFactorization, ending: str, tmp_path: Path
) -> None:
    """Regression: lines of JSON had different names, and other files errors of pyarrow."""
    path = tmp_path / f"out.{ending}"
    first = pd.DataFrame({"user_id": [5], "item_id": ["item 1"]})
    other = pd.DataFrame({"user": [5], "movie": ["item 2"]})
    with pytest.raises(ValueError, match=r"^batch 1: the columns are \['user', 'movie'\]; exp"):
        model.write_predictions(path, iter([first, other]))
    assert not path.exists()
    model.write_predictions(path, iter([first, ([10], ["item 2"])]))
    found = pd.read_json(path, lines=True) if ending == "jsonl" else read(path)
    assert list(found) == ["user_id", "item_id", "prediction"]
    assert found["user_id"].tolist() == [5, 10]


def test_other_endings_are_rejected(model: ft.MatrixFactorization, tmp_path: Path) -> None:
    for write in both(model, tmp_path / "out.xlsx"):
        with pytest.raises(ValueError, match=r"expected \.csv, \.tsv, \.jsonl or \.parquet"):
            write()
    assert not list(tmp_path.iterdir())


def test_without_pyarrow_the_extra_is_named(
    model: ft.MatrixFactorization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for write in both(model, tmp_path / "out.csv"):
        with pytest.raises(ImportError, match=r"pip install 'factorate\[files\]'"):
            write()


# Memory

LIMITED = """
import resource, sys
from pathlib import Path
import pyarrow
import factorate as ft

folder = Path(sys.argv[1])
pyarrow.set_cpu_count(1)
pyarrow.set_io_thread_count(1)
model = ft.load(folder / "model.npz").set_params(n_threads=1)
out, pairs = folder / "out.parquet", folder / "pairs.parquet"
model.write_recommendations(out, model.users_[:100], 50)  # imports what is needed
model.write_predictions(out, out)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
limit = int(status["VmData"].split()[0]) * 1024 + 30 * 10**6
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
for call in (
    lambda: model.write_recommendations(out, n=50),
    lambda: model.recommend(n=50),
    lambda: model.write_predictions(out, pairs),
    lambda: model.predict(pairs),
):
    try:
        call()
        print("done")
    except MemoryError:
        print("MemoryError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_DATA of Linux")
def test_files_take_less_memory_than_results(tmp_path: Path) -> None:
    n_users, n_items = 40_000, 400
    users = np.arange(n_users)
    model = ft.MatrixFactorization(2, 1, random_state=0)
    model.fit((users, users % n_items, users % 5)).save(tmp_path / "model.npz")
    pairs = {"user": np.tile(users, 60), "item": np.arange(60 * n_users) % n_items}
    pa.parquet.write_table(pa.table(pairs), tmp_path / "pairs.parquet", row_group_size=200_000)
    arguments = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["done", "MemoryError"] * 2
