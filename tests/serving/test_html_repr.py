"""Notebooks show a model as HTML: sizes, errors, learning curve and parameters."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import factorate as ft

VOID = {"path", "polyline", "circle"}  # elements of SVG that close themselves


class Page(HTMLParser):
    """The text of a page, and its elements in the order in which they close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.elements: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002
        self.elements.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002
        self.elements.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            self.texts.append(data)


def rows(html: str) -> dict[str, str]:
    """Return the rows of all tables."""
    return dict(re.findall(r"<th>(.*?)</th><td>(.*?)</td>", html))


def test_sizes_errors_and_the_curve_of_a_fitted_model_are_shown(columns: Any) -> None:
    model = ft.MatrixFactorization(4, n_epochs=5, early_stopping=True, random_state=0).fit(columns)
    html = model._repr_html_()
    assert html is not None
    page = Page(html)
    assert page.texts[:2] == ["MatrixFactorization", "fitted"]
    assert page.elements.count("svg") == 1
    found = rows(html)
    best = model.best_epoch_ - 1
    assert found["Users"] == "60"
    assert found["Items"] == "80"
    assert found["Rated pairs"] == "3,000"
    assert found["Factors"] == "4"
    assert found["Training RMSE"] == f"{model.history_['train_rmse'][best]:.4f}"
    assert found["Validation RMSE"] == f"{model.history_['valid_rmse'][best]:.4f}"
    assert found["early_stopping"] == "True"


def test_all_parameters_are_listed_and_the_changed_ones_are_marked() -> None:
    model = ft.MatrixFactorization(8, loss="huber")
    html = model._repr_html_()
    assert html is not None
    page = Page(html)
    assert page.texts[:2] == ["MatrixFactorization", "not fitted"]
    assert "svg" not in page.elements
    parameters = model.get_params()
    assert {name: rows(html)[name] for name in parameters} == {
        name: str(value) if not isinstance(value, str) else f"&#x27;{value}&#x27;"
        for name, value in parameters.items()
    }
    changed = re.findall(r'<tr class="changed"><th>(.*?)</th>', html)
    assert changed == ["n_factors", "loss"]
    assert f"All {len(parameters)} parameters" in page.texts


def test_values_are_escaped(columns: Any) -> None:
    attack = "<script>alert('&')</script>"
    model = ft.MatrixFactorization(columns=(attack, "b", "c"), loss=attack)
    html = model._repr_html_()
    assert html is not None
    assert "script" not in Page(html).elements
    assert any(attack in text for text in Page(html).texts)
    named = type("<b>Model</b>", (ft.MatrixFactorization,), {})
    assert "b" not in Page(str(named(2).fit(columns)._repr_html_())).elements


def test_models_without_epochs_or_seen_items_are_shown(columns: Any) -> None:
    untrained = ft.MatrixFactorization(2, n_epochs=0, keep_seen=False).fit(columns)
    html = str(untrained._repr_html_())
    assert "svg" not in Page(html).elements
    assert rows(html)["Epochs"] == "0"
    assert "Training RMSE" not in rows(html)
    assert "Rated pairs" not in rows(html)


def test_a_loaded_model_is_shown_as_it_was(columns: Any, tmp_path: Any) -> None:
    model = ft.MatrixFactorization(2, n_epochs=3, random_state=0).fit(columns)
    model.save(tmp_path / "model.npz")
    assert ft.load(tmp_path / "model.npz")._repr_html_() == model._repr_html_()


def test_long_values_are_shortened() -> None:
    weights = dict.fromkeys((f"key{number}" for number in range(10_000)), 1.0)
    html = str(ft.MatrixFactorization(learning_rate=weights)._repr_html_())
    assert len(html) < 20_000
    assert np.char.count(html, "…") >= 1


@pytest.mark.parametrize("n_epochs", [1, 2, 1000])
def test_curve_is_small_for_any_number_of_epochs(columns: Any, n_epochs: int) -> None:
    small = tuple(column[:50] for column in columns)
    model = ft.MatrixFactorization(2, n_epochs=n_epochs, random_state=0).fit(small)
    html = str(model._repr_html_())
    curve = html[html.index("<svg") : html.index("</svg>")]
    assert len(curve) < 4000
    assert "epoch" in curve
    assert ("<polyline" in curve) == (n_epochs > 1)
