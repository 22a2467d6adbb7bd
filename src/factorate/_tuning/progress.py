"""trial_bar: the progress bar of a search."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from factorate._training.progress import open_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def trial_bar(n_trials: int, metric: str, *, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """Show a tqdm bar with the number of trials and the best validation metric so far.

    Parameters
    ----------
    n_trials : int
        Maximum number of trials.
    metric : str
        Name of the metric.
    shown : bool
        Whether to show the bar; if False, tqdm is not imported.

    Yields
    ------
    callable
        Updates the bar to a number of trials and a metric.
    """
    if not shown:
        yield lambda n_tried, value: None  # noqa: ARG005
        return
    with open_bar(total=n_trials, unit="trial", desc="searching") as bar:

        def report(n_tried: int, value: float) -> None:
            bar.set_postfix_str(f"best {metric} {value:.4f}", False)
            bar.update(n_tried - bar.n)

        yield report
