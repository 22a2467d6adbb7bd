"""TrainingInteractions: the interactions that a user passed to ``fit``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from factorate._fitted.seen import Seen
from factorate._fitted.seen_interactions import to_seen
from factorate._training.als_runner import LocalAlsRunner
from factorate._training.held_out import hold_out
from factorate._training.interactions import make_interactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._input.ratings import Ratings
    from factorate._training.als_runner import MakeAlsRunner
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._training.interaction_side import WeighedSides
    from factorate._training.interactions import Interactions
    from factorate._utils.types import Flags, Rows


class Validation(NamedTuple):
    """A validation set.

    Attributes
    ----------
    seen : Seen
        The training interactions of its users, and maybe of others.
    user_rows, item_rows : ndarray of int32
        The validation interactions.
    """

    seen: Seen
    user_rows: Rows
    item_rows: Rows


class Prepared(NamedTuple):
    """Interactions that are sorted for training.

    Attributes
    ----------
    weighed : WeighedSides
        The interactions to train on, with their weights.
    validation : Validation or None
        The validation set, if there is one.
    collect_seen : callable
        Returns all interactions, with their counts, also those that are held out.
    make_runner : callable
        Prepares epochs over the interactions.
    """

    weighed: WeighedSides
    validation: Validation | None
    collect_seen: Callable[[], Seen]
    make_runner: MakeAlsRunner = LocalAlsRunner


@dataclass(frozen=True, kw_only=True)
class TrainingInteractions:
    """The interactions that a user passed to ``fit``, checked.

    Attributes
    ----------
    given : Ratings
        The interactions in the order of the input; the values are their counts.
    eval_set : tuple of ndarray or None
        The user and item rows of the validation interactions, if the user passed some.
    """

    given: Ratings
    eval_set: tuple[Rows, Rows] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return len(self.given.user_index.ids), len(self.given.item_index.ids)

    def prepare(self, settings: ImplicitSettings) -> Prepared:
        """Sort the interactions, and hold some of them out for early stopping."""
        given, shape = self.given, self.shape
        held_out, held = self.eval_set, None
        if held_out is None and settings.patience is not None:
            pairs = given.user_rows, given.item_rows
            held = hold_out(*pairs, settings.validation_fraction, settings.als.seed)
            held_out = pairs[0][held], pairs[1][held]
        training = select_interactions(given, shape, None if held is None else ~held)
        whole = None if held is None else given  # training needs the memory of those it has not
        validation = None
        if held_out is not None:
            seen = Seen(training.user_starts.view(), training.user_items.view())
            validation = Validation(seen, *held_out)

        def collect_seen() -> Seen:
            return to_seen(training if whole is None else select_interactions(whole, shape))

        return Prepared(settings.weigh(training), validation, collect_seen)


def select_interactions(
    ratings: Ratings, shape: tuple[int, int], chosen: Flags | None = None
) -> Interactions:
    """Return all interactions, or the chosen ones, by user and by item, without weighing them."""
    users, items, counts = ratings.user_rows, ratings.item_rows, ratings.values
    if chosen is not None:
        users, items, counts = users[chosen], items[chosen], counts[chosen]
    return make_interactions(users, items, counts, shape, counts.dtype)
