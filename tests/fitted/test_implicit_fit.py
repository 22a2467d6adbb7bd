"""fit_implicit: early stopping, validation sets, and what an interrupt or an error leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
import factorate._fitted.implicit_fit as fit_module
from factorate._training import als
from factorate._training.held_out import hold_out

SMALL: dict[str, Any] = {"n_factors": 5, "n_epochs": 6, "random_state": 3, "n_threads": 1}


def model(**changes: Any) -> ft.ImplicitMatrixFactorization:
    return ft.ImplicitMatrixFactorization(**(SMALL | changes))


def split(columns: Any) -> tuple[Any, Any]:
    users, items, _ = columns
    return (users[:2700], items[:2700]), (users[2700:], items[2700:])


def test_the_eval_set_is_ranked_after_each_epoch(columns: Any) -> None:
    training, held_out = split(columns)
    fitted = model().fit(training, eval_set=held_out)
    scores = fitted.history_["valid_ndcg"]
    for n_epochs in (1, 6):
        found = ft.metrics.ranking(model(n_epochs=n_epochs).fit(training), held_out)
        assert scores[n_epochs - 1] == pytest.approx(found["ndcg"], rel=1e-12)
    frame = {"user": held_out[0], "item": held_out[1], "count": np.full(300, 7)}
    again = model().fit(training, eval_set=frame)
    np.testing.assert_array_equal(again.history_["valid_ndcg"], scores)
    X, y = np.stack(held_out, 1), np.full(300, 7)  # Regression: (X, y) was read as (users, items)
    for eval_set in (X, (X, y), (X.tolist(), y), (frame, y)):
        again = model().fit(training, eval_set=eval_set)
        np.testing.assert_array_equal(again.history_["valid_ndcg"], scores)
    np.testing.assert_array_equal(again.user_factors_, model().fit(training).user_factors_)


def test_early_stopping_restores_the_best_epoch(columns: Any) -> None:
    training, held_out = split(columns)
    fitted = model(n_epochs=40, early_stopping=True, patience=2, regularization=1e-6)
    fitted.fit(training, eval_set=held_out)
    scores = fitted.history_["valid_ndcg"]
    best = int(np.argmax(scores)) + 1
    assert fitted.best_epoch_ == best
    assert fitted.n_epochs_ == best + 2 < 40
    expected = model(n_epochs=best, regularization=1e-6).fit(training)
    np.testing.assert_array_equal(fitted.user_factors_, expected.user_factors_)
    np.testing.assert_array_equal(fitted.item_factors_, expected.item_factors_)


def test_without_an_eval_set_some_interactions_are_held_out_but_excluded(columns: Any) -> None:
    users, items, _ = columns
    settings = {"early_stopping": True, "validation_fraction": 0.2, "patience": 10}
    fitted = model(**settings).fit((users, items))
    held = hold_out(users, items, 0.2, seed=3)
    training, held_out = (users[~held], items[~held]), (users[held], items[held])
    expected = model(early_stopping=True, patience=10).fit(training, eval_set=held_out)
    np.testing.assert_array_equal(fitted.user_factors_, expected.user_factors_)
    np.testing.assert_array_equal(fitted.history_["valid_ndcg"], expected.history_["valid_ndcg"])
    user = int(held_out[0][0])
    assert int(held_out[1][0]) not in fitted.recommend(user, n=80)[0][:-1].tolist()
    shuffled = np.random.default_rng(0).permutation(3000)
    again = model(**settings).fit((users[shuffled], items[shuffled]))
    np.testing.assert_array_equal(again.user_factors_, fitted.user_factors_)


@pytest.mark.parametrize(
    ("eval_set", "error", "message"),
    [
        (([99], [1]), ValueError, "eval_set has no interactions of users that have training"),
        (([], []), ValueError, "eval_set has no interactions of users"),
        (([0], ["x"]), TypeError, "eval_set: items are str"),
        (([0, 1], [1]), ValueError, "eval_set: columns have different lengths"),
        (5, TypeError, "eval_set: got int"),
    ],
)
def test_a_wrong_eval_set_is_named(
    eval_set: Any, error: type[Exception], message: str, columns: Any
) -> None:
    with pytest.raises(error, match=message):
        model().fit(columns[:2], eval_set=eval_set)


def test_an_eval_set_of_training_interactions_is_an_error(columns: Any) -> None:
    with pytest.raises(ValueError, match="every validation interaction is also a training inter"):
        model().fit(columns[:2], eval_set=columns[:2])


def test_a_single_interaction_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="which leaves none to train on"):
        model(early_stopping=True).fit((["a"], ["x"]))
    assert model().fit((["a"], ["x"])).predict((["a"], ["x"]))[0] > 0


def test_an_interrupt_keeps_the_finished_epochs(columns: Any) -> None:
    def interrupt(epoch: Any) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    fitted = model()
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(columns[:2], callbacks=[interrupt])
    assert fitted.n_epochs_ == fitted.best_epoch_ == 3
    expected = model(n_epochs=3).fit(columns[:2])
    np.testing.assert_array_equal(fitted.user_factors_, expected.user_factors_)
    np.testing.assert_array_equal(fitted.item_factors_, expected.item_factors_)
    np.testing.assert_array_equal(fitted.recommend(0)[0], expected.recommend(0)[0])


def test_an_interrupt_within_an_epoch_keeps_the_epochs_before(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_epochs = als.run_epochs

    def interrupted(runner: Any, n_epochs: int, after_epoch: Any) -> Any:
        def then_raise(epoch: Any) -> bool:
            stop = bool(after_epoch(epoch))
            if epoch.number == 2:
                raise KeyboardInterrupt
            return stop

        return run_epochs(runner, n_epochs, then_raise)

    monkeypatch.setattr(fit_module, "run_epochs", interrupted)
    fitted = model()
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(columns[:2])
    assert fitted.n_epochs_ == 2


def test_an_interrupt_in_the_first_epoch_and_an_error_leave_the_old_model(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = model().fit(columns[:2])
    before = fitted.user_factors_

    def fail(_: Any) -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fitted.fit(columns[:2], callbacks=[fail])
    assert fitted.user_factors_ is before

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fit_module, "run_epochs", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(columns[:2])
    assert fitted.user_factors_ is before
    with pytest.raises(TypeError, match="callbacks is 3; expected a list of functions"):
        fitted.fit(columns[:2], callbacks=3)  # type: ignore[arg-type]
