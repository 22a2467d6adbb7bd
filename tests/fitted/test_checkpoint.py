"""A fit that continues from a checkpoint has the result of one that was not stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factorate as ft

if TYPE_CHECKING:
    from pathlib import Path

    from factorate._training.epoch import Epoch

    Columns = tuple[Any, Any, Any]


class StoppedError(Exception):
    pass


def stop(epoch: Epoch) -> None:
    if epoch.number == 3:
        raise StoppedError


def assert_equal(found: ft.MatrixFactorization, expected: ft.MatrixFactorization) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    assert found.best_epoch_ == expected.best_epoch_
    for name in ("epoch", "learning_rate", "train_rmse", "valid_rmse", "valid_loss"):
        np.testing.assert_array_equal(found.history_[name], expected.history_[name], name)
    assert (np.diff(found.history_["seconds"]) > 0).all()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"early_stopping": True, "n_epochs": 20, "patience": 4},
        {"svdpp": True},
        {"learning_rate_schedule": "adagrad"},
        {"learning_rate": 6.0},  # diverges
        {"dtype": "float64"},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_training_continues_with_the_same_bits(
    columns: Columns, tmp_path: Path, parameters: dict[str, Any]
) -> None:
    path = tmp_path / "checkpoint.npz"
    given = {"n_factors": 6, "n_epochs": 6, "random_state": 3} | parameters
    expected = ft.MatrixFactorization(**given).fit(columns)
    with pytest.raises(StoppedError):
        ft.MatrixFactorization(**given).fit(columns, callbacks=[stop], checkpoint=path)
    assert path.exists()
    numbers: list[int] = []
    model = ft.MatrixFactorization(**given)
    model.fit(columns, callbacks=[lambda epoch: numbers.append(epoch.number)], checkpoint=path)
    assert numbers[0] == 4
    assert_equal(model, expected)
    assert not path.exists()


def test_a_store_continues_with_the_same_bits(columns: Columns, tmp_path: Path) -> None:
    store = ft.RatingStore.create(tmp_path / "a.store", columns)
    path = tmp_path / "checkpoint.npz"
    model = ft.MatrixFactorization(6, n_epochs=6, random_state=3)
    with pytest.raises(StoppedError):
        model.fit(store, callbacks=[stop], checkpoint=path)
    model.fit(store, checkpoint=path)
    assert_equal(model, ft.MatrixFactorization(6, n_epochs=6, random_state=3).fit(columns))


def test_without_a_seed_that_of_the_checkpoint_is_used(columns: Columns, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    model = ft.MatrixFactorization(4, n_epochs=4)
    with pytest.raises(StoppedError):
        model.fit(columns, callbacks=[stop], checkpoint=path)
    assert model.fit(columns, checkpoint=path).n_epochs_ == 4


def test_an_interrupted_fit_keeps_the_checkpoint(columns: Columns, tmp_path: Path) -> None:
    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint.npz"
    model = ft.MatrixFactorization(4, n_epochs=4, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns, callbacks=[interrupt], checkpoint=path)
    assert model.n_epochs_ == 2
    assert_equal(
        model.fit(columns, checkpoint=path),
        ft.MatrixFactorization(4, n_epochs=4, random_state=0).fit(columns),
    )


def test_a_checkpoint_of_another_fit_raises(columns: Columns, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    model = ft.MatrixFactorization(4, random_state=0)
    with pytest.raises(StoppedError):
        model.fit(columns, callbacks=[stop], checkpoint=path)
    with pytest.raises(ValueError, match="is of a fit with other settings"):
        ft.MatrixFactorization(5, random_state=0).fit(columns, checkpoint=path)
    users, items, ratings = columns
    with pytest.raises(ValueError, match="is of a fit with other ratings"):
        model.fit((users[1:], items[1:], ratings[1:]), checkpoint=path)
    with pytest.raises(ValueError, match="is of a fit with other ratings"):
        model.fit((users, items, ratings[::-1].copy()), checkpoint=path)
    with pytest.raises(ValueError, match="is of a fit with other eval_set"):
        model.fit(columns, eval_set=columns, checkpoint=path)
    assert path.exists()


def test_a_checkpoint_may_continue_elsewhere(columns: Columns, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    model = ft.MatrixFactorization(4, n_epochs=5, random_state=0)
    with pytest.raises(StoppedError):
        model.fit(columns, callbacks=[stop], checkpoint=path)
    store = ft.RatingStore.create(tmp_path / "a.store", columns)
    model.fit(store, checkpoint=path)
    assert_equal(model, ft.MatrixFactorization(4, n_epochs=5, random_state=0).fit(columns))


def test_a_store_that_is_gone_after_the_last_epoch_is_not_needed(
    columns: Columns, tmp_path: Path
) -> None:
    store = ft.RatingStore.create(tmp_path / "a.store", columns)

    def remove(epoch: Epoch) -> None:
        if epoch.number == 3:
            (tmp_path / "a.store" / "ratings-000000.npy").unlink()

    model = ft.MatrixFactorization(4, n_epochs=3, random_state=0)
    model.fit(store, callbacks=[remove])
    expected = ft.MatrixFactorization(4, n_epochs=3, random_state=0).fit(columns)
    users = expected.users_
    for found, given in zip(model.recommend(users), expected.recommend(users), strict=True):
        np.testing.assert_array_equal(found, given)


def test_another_file_is_not_a_checkpoint(columns: Columns, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    model = ft.MatrixFactorization(4, random_state=0).fit(columns)
    model.save(path)
    with pytest.raises(ValueError, match=r"model.npz' is not a checkpoint, or is damaged"):
        model.fit(columns, checkpoint=path)
    path.write_text("notes")
    with pytest.raises(ValueError, match=r"model.npz' is not a checkpoint, or is damaged"):
        model.fit(columns, checkpoint=path)
    assert path.read_text() == "notes"


def test_a_damaged_checkpoint_raises(columns: Columns, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    model = ft.MatrixFactorization(4, random_state=0)
    with pytest.raises(StoppedError):
        model.fit(columns, callbacks=[stop], checkpoint=path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a checkpoint, or is damaged"):
        model.fit(columns, checkpoint=path)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_model(
    columns: Columns, tmp_path: Path
) -> None:
    model = ft.MatrixFactorization(4, random_state=0).fit(columns)
    before = model.user_factors_
    with pytest.raises(OSError, match="absent"):
        model.fit(columns, checkpoint=tmp_path / "absent" / "checkpoint.npz")
    assert model.user_factors_ is before
