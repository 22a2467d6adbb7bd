"""AlsRunner: runs epochs of alternating least squares, in this process or elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from factorate._training.als_weights import penalties
from factorate._training.gram import GRAM_ROWS
from factorate._training.improve_rows import improve_rows
from factorate._training.pad import pad, unpad
from factorate._training.schedule import padded
from factorate._training.solve_rows import solve_side
from factorate._utils.aligned import aligned_zeros
from factorate._utils.random_streams import stream, uniform
from factorate._utils.workers import slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._training.als_settings import AlsSettings
    from factorate._training.interaction_side import Sides, WeighedSide, WeighedSides
    from factorate._utils.types import Doubles, Floats

    # Returns the factors of the users (0) or items (1).
    Fetch = Callable[[int], Floats]
    # Prepares epochs over interactions, wherever they are.
    MakeAlsRunner = Callable[[Any, AlsSettings], "AlsRunner[Any]"]

S = TypeVar("S")

START_SCALE = 0.1  # standard deviation of initial factors, times √K


class AlsRunner(Protocol[S]):
    """Runs epochs that change a state of type `S`: the factors, or references to them."""

    def begin(self) -> S:
        """Return the state before the first epoch."""

    def run(self, state: S) -> float:
        """Run one epoch, and return the objective."""

    def fetcher(self, state: S) -> Fetch:
        """Return a function that returns the factors; it may be called until the next epoch."""

    def solve_users(self, item_factors: Floats) -> Floats:
        """Return the factors of all users that minimize the objective, given those of the items."""


@dataclass
class AlsState:
    """The factors of users and items, padded."""

    users: Floats
    items: Floats


class LocalAlsRunner:
    """Runs epochs in this process.

    Parameters
    ----------
    interactions : Interactions or InteractionsOnDisk
        The interactions.
    settings : AlsSettings
        The settings.
    initial : tuple of ndarray, optional
        Initial factors of users and items. The default is random item factors.
    """

    def __init__(
        self,
        interactions: Sides,
        settings: AlsSettings,
        initial: tuple[Floats, Floats] | None = None,
    ) -> None:
        self._interactions = interactions
        self._settings = settings
        self._initial = initial

    def begin(self) -> AlsState:
        """Return the state before the first epoch."""
        settings, (n_users, n_items) = self._settings, self._interactions.shape
        if self._initial is None:
            items = initial_factors(n_items, settings)
            return AlsState(aligned_zeros((n_users, items.shape[1]), settings.dtype), items)
        users, items = (pad(factors, settings.dtype) for factors in self._initial)
        return AlsState(users, items)

    def run(self, state: AlsState) -> float:
        """Run one epoch, and return the objective."""
        settings, (user_side, item_side) = self._settings, self._interactions.sides
        state.users, state.items, _ = improve_rows(user_side, state.users, state.items, settings)
        state.items, state.users, loss = improve_rows(item_side, state.items, state.users, settings)
        return loss + sum_of_penalties(self._interactions, squared_lengths(state.users), settings)

    def fetcher(self, state: AlsState) -> Fetch:
        """Return a function that returns the factors as they are now."""
        factors, settings = (state.users, state.items), self._settings
        return lambda side: unpad(factors[side], settings)

    def solve_users(self, item_factors: Floats) -> Floats:
        """Return the factors of all users that minimize the objective, given those of the items."""
        settings, (users, _) = self._settings, self._interactions.sides
        return unpad(solve_side(users, pad(item_factors, settings.dtype), settings), settings)


def initial_factors(n_rows: int, settings: AlsSettings) -> Floats:
    """Return random factors of mean 0, uniformly distributed."""
    n_factors, bits = settings.n_factors, stream(settings.seed, 0)
    width = START_SCALE * math.sqrt(12 / n_factors)
    factors = aligned_zeros((n_rows, padded(n_factors)), settings.dtype)
    for rows in slices(n_rows, GRAM_ROWS):
        numbers = uniform((rows.stop - rows.start) * n_factors, bits).reshape(-1, n_factors)
        factors[rows, :n_factors] = (width * (numbers - 0.5)).astype(settings.dtype)
    return factors


def squared_lengths(factors: Floats) -> Doubles:
    """Return the sum of the squares of each row, which does not depend on the other rows."""
    out = np.empty(len(factors))
    for rows in slices(len(factors), GRAM_ROWS):
        doubles = factors[rows].astype(np.float64, copy=False)
        out[rows] = np.einsum("uk,uk->u", doubles, doubles)
    return out


def sum_of_penalties(interactions: WeighedSides, squares: Doubles, settings: AlsSettings) -> float:
    """Return the part of the objective that is due to the squared lengths of the users."""
    users: WeighedSide = interactions.sides[0]
    return float((penalties(users, interactions.shape[1], settings) * squares).sum())
