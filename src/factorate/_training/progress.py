"""Show a progress bar of epochs."""

from __future__ import annotations

import importlib
import importlib.util
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factorate._training.epoch import Epoch
    from factorate._training.implicit_epoch import ImplicitEpoch


@contextmanager
def progress_bar(
    n_epochs: int, n_ratings: int, shown: bool
) -> Iterator[tuple[Callable[[Epoch], None], ...]]:
    """Show a tqdm bar with the epoch, the training RMSE and the ratings per second.

    Parameters
    ----------
    n_epochs, n_ratings : int
        Number of epochs, and of ratings in each.
    shown : bool
        Whether to show the bar; if False, tqdm is not imported.

    Yields
    ------
    tuple of callables
        Callbacks for the trainer that update the bar; empty if the bar is not shown.
    """
    if not shown:
        yield ()
        return
    with open_bar(total=n_epochs, unit="epoch", desc="training") as bar:
        seconds = 0.0

        def report(epoch: Epoch) -> None:
            nonlocal seconds
            rate = n_ratings / max(epoch.seconds - seconds, 1e-9) / 1e6
            seconds = epoch.seconds
            bar.set_postfix_str(f"rmse {epoch.train_rmse:.4f}, {rate:.1f} M ratings/s", False)
            bar.update()

        yield (report,)


@contextmanager
def implicit_progress_bar(
    n_epochs: int, shown: bool
) -> Iterator[tuple[Callable[[ImplicitEpoch], None], ...]]:
    """Show a tqdm bar with the epoch, the loss and, if there is one, the validation NDCG.

    Parameters
    ----------
    n_epochs : int
        Number of epochs.
    shown : bool
        Whether to show the bar; if False, tqdm is not imported.

    Yields
    ------
    tuple of callables
        Callbacks that update the bar; empty if the bar is not shown.
    """
    if not shown:
        yield ()
        return
    with open_bar(total=n_epochs, unit="epoch", desc="training") as bar:

        def report(epoch: ImplicitEpoch) -> None:
            text = f"loss {epoch.loss:.6g}"
            if not math.isnan(epoch.valid_ndcg):
                text += f", NDCG@10 {epoch.valid_ndcg:.4f}"
            bar.set_postfix_str(text, False)
            bar.update()

        yield (report,)


def open_bar(**options: Any) -> Any:
    """Open a bar of tqdm, a widget in notebooks."""
    # In a notebook without ipywidgets, tqdm.auto shows the same bar but warns.
    module = "tqdm.auto" if importlib.util.find_spec("ipywidgets") else "tqdm"
    return importlib.import_module(module).tqdm(**options)
