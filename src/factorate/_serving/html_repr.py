"""html_repr: a model as HTML, for notebooks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from factorate._serving.learning_curve_svg import learning_curve_svg
from factorate._utils.validation import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factorate._fitted.fitted_state import FittedState

# The colors of text and lines follow the page, light or dark. Notebooks style all tables; the
# doubled class and !important take precedence over them.
STYLE = """
.factorate.factorate { display: inline-block; max-width: 100%; box-sizing: border-box;
  padding: 0.6em 1em 0.7em; border: 1px solid rgba(127, 127, 127, 0.5); border-radius: 6px;
  font-family: system-ui, sans-serif; font-size: 13px; line-height: 1.45; color: inherit; }
.factorate.factorate .title { font-weight: 600; font-size: 14px; }
.factorate.factorate .state { margin-left: 0.6em; padding: 0.1em 0.6em; border-radius: 1em;
  border: 1px solid rgba(127, 127, 127, 0.5); font-size: 11px; }
.factorate.factorate .fitted { border-color: #3b8ede; }
.factorate.factorate .facts { display: flex; flex-wrap: wrap; gap: 0.4em 2em; align-items: center;
  margin: 0.4em 0 0; }
.factorate.factorate > .parameters { margin: 0.6em 0; }
.factorate.factorate table { margin: 0; border: 0; border-collapse: collapse; font-size: 13px;
  color: inherit; background: none; }
.factorate.factorate tr { background: none !important; border: 0; }
.factorate.factorate :is(th, td) { padding: 0.05em 0; border: 0; background: none;
  text-align: left; vertical-align: top; }
.factorate.factorate th { padding-right: 1.2em; font-weight: normal; opacity: 0.75; }
.factorate.factorate td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.factorate.factorate .parameters td { font-family: monospace; }
.factorate.factorate .changed :is(th, td) { font-weight: 600; opacity: 1; }
.factorate.factorate summary { cursor: pointer; }
.factorate.factorate details table { margin: 0.4em 0 0 1em; }
"""


def html_repr(
    name: str,
    parameters: Mapping[str, Any],
    changed: Mapping[str, Any],
    fitted: FittedState | None,
) -> str:
    """Return a model as an HTML element: sizes, errors, learning curve and parameters.

    Parameters
    ----------
    name : str
        Name of the model's class.
    parameters, changed : mapping of str to object
        All parameters, and those that are not the defaults.
    fitted : FittedState or None
        The fitted state; None for a model that is not fitted.
    """
    state, facts = '<span class="state">not fitted</span>', ""
    if fitted is not None:
        state = '<span class="state fitted">fitted</span>'
        curve = learning_curve_svg(fitted.history, fitted.best_epoch)
        facts = f'<div class="facts">{_table(_facts(fitted))}{curve}</div>'
    visible = _table(changed, "parameters") if changed else ""
    return (
        f'<div class="factorate"><style>{STYLE}</style>'
        f'<div><span class="title">{escape(name)}</span>{state}</div>{facts}{visible}'
        f"<details><summary>All {len(parameters)} parameters</summary>"
        f"{_table(parameters, 'parameters', changed)}</details></div>"
    )


def _facts(fitted: FittedState) -> dict[str, str]:
    """Return the sizes and errors of a model, as text."""
    history, best = fitted.history, fitted.best_epoch
    n_epochs = len(history["epoch"])
    facts = {
        "Users": f"{len(fitted.user_index.ids):,}",
        "Items": f"{len(fitted.item_index.ids):,}",
    }
    is_rating = "train_rmse" in history
    if fitted.seen is not None:
        facts["Rated pairs" if is_rating else "Interactions"] = f"{len(fitted.seen.items):,}"
    facts["Factors"] = f"{fitted.factors.user_factors.shape[1]}"
    facts["Epochs"] = f"{n_epochs}" + (f", best {best}" if best != n_epochs else "")
    if n_epochs:
        row = best - 1
        training, validation = ("train_rmse", "valid_rmse") if is_rating else ("loss", "valid_ndcg")
        shown = f"{history[training][row]:{'.4f' if is_rating else '.6g'}}"
        facts["Training RMSE" if is_rating else "Loss"] = shown
        if history[validation][row] == history[validation][row]:  # not NaN
            name = "Validation RMSE" if is_rating else "Validation NDCG@10"
            facts[name] = f"{history[validation][row]:.4f}"
        facts["Training time"] = f"{history['seconds'][-1]:.3g} s"
    return facts


def _table(
    rows: Mapping[str, Any], kind: str = "", changed: Mapping[str, Any] | None = None
) -> str:
    """Return a table of names and values; text is shown as it is, parameters as Python writes."""
    cells = []
    for name, value in rows.items():
        text = show(value) if kind else str(value)
        style = ' class="changed"' if changed and name in changed else ""
        cells.append(f"<tr{style}><th>{escape(name)}</th><td>{escape(text)}</td></tr>")
    return f'<table class="{kind}">{"".join(cells)}</table>'
