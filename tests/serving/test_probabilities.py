"""predict_proba returns the probabilities of two values under the logistic loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft


def fitted(columns: Any, values: tuple[float, float] = (0, 1), **changes: Any) -> Any:
    users, items, ratings = columns
    low, high = values
    parameters: dict[str, Any] = {"n_factors": 4, "loss": "logistic", "random_state": 0}
    model = ft.MatrixFactorization(**(parameters | changes))
    return model.fit((users, items, np.where(ratings > 3, high, low)))


@pytest.mark.parametrize("values", [(0, 1), (-1, 1), (2, 5)])
def test_probabilities_are_the_sigmoid_of_the_margin(
    columns: Any, values: tuple[float, float]
) -> None:
    model = fitted(columns, values)
    np.testing.assert_array_equal(model.classes_, values)
    pairs = columns[:2]
    found = model.predict_proba(pairs)
    midpoint, half = np.mean(values), (values[1] - values[0]) / 2
    margin = (model.predict(pairs) - midpoint) / half
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-margin)), rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert found.shape == (3000, 2)
    assert found.dtype == np.float32


def test_probabilities_have_the_log_loss_of_the_history(columns: Any) -> None:
    users, items, ratings = columns
    liked = (ratings > 3).astype(int)
    train, held_out = slice(0, 2500), slice(2500, None)
    model = ft.MatrixFactorization(4, loss="logistic", random_state=0, dtype="float64")
    validation = tuple(column[held_out] for column in (users, items, liked))
    model.fit(tuple(column[train] for column in (users, items, liked)), eval_set=validation)
    chosen = model.predict_proba(validation[:2])[np.arange(500), validation[2]]
    assert -np.log(chosen).mean() == pytest.approx(model.history_["valid_loss"][-1])


def test_probabilities_are_not_clipped(columns: Any) -> None:
    model = fitted(columns, clip=True, n_epochs=200)
    plain = fitted(columns, n_epochs=200)
    assert (plain.predict(columns[:2]) > 1).any()
    np.testing.assert_array_equal(
        model.predict_proba(columns[:2]), plain.predict_proba(columns[:2])
    )


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ("hinge", "estimates which value is more likely, not how likely it is"),
        ("squared_hinge", "estimates which value is more likely, not how likely it is"),
        ("squared", "its ratings are numbers, not two classes"),
    ],
)
def test_other_losses_have_no_probabilities(columns: Any, loss: str, reason: str) -> None:
    for model in (ft.MatrixFactorization(loss=loss), fitted(columns, loss=loss)):
        assert not hasattr(model, "predict_proba")
        with pytest.raises(
            AttributeError, match=f"needs loss='logistic'; the loss is '{loss}', and .*{reason}"
        ):
            model.predict_proba(columns[:2])


def test_the_loss_of_the_fit_decides_not_that_of_a_later_parameter(columns: Any) -> None:
    model = fitted(columns).set_params(loss="squared")
    assert model.predict_proba(columns[:2]).shape == (3000, 2)


def test_classes_exist_for_losses_of_two_values_only(columns: Any) -> None:
    np.testing.assert_array_equal(fitted(columns, (1, 5), loss="hinge").classes_, [1, 5])
    model = ft.MatrixFactorization(2).fit(columns)
    with pytest.raises(AttributeError, match="classes_ exists only for ratings of two values"):
        _ = model.classes_
    with pytest.raises(ft.NotFittedError):
        ft.MatrixFactorization(loss="logistic").predict_proba(columns[:2])


def test_unknown_ids_warn_at_the_line_of_the_caller() -> None:
    model = ft.MatrixFactorization(2, 2, loss="logistic", random_state=0)
    model.fit(([1, 1, 2], [1, 2, 2], [0, 1, 1]))
    with pytest.warns(ft.UnknownIdWarning, match="1 unknown user") as caught:
        model.predict_proba(([9], [1]))
    assert caught[0].filename == __file__
