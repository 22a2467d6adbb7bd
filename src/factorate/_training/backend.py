"""Backend: where ratings and parameters are, and where epochs run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from factorate._training.epoch_runner import make_epoch_runner
from factorate._training.ratings_in_store import RatingsInStore
from factorate._training.schedule import make_schedule
from factorate._training.stored_schedule import make_stored_schedule

if TYPE_CHECKING:
    from factorate._training.continuation import Continuation
    from factorate._training.factors import WarmStart
    from factorate._training.scale import Scale
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.state import State
    from factorate._utils.types import Floats
    from factorate._utils.workers import Workers

S = TypeVar("S")


class Runner(Protocol[S]):
    """Runs epochs that change a state of type `S`: the parameters, or references to them."""

    @property
    def continuations(self) -> tuple[Continuation, Continuation]:
        """How the rows of users and items continue earlier training."""

    def begin(self, scale: Scale, warm_start: WarmStart | None) -> S:
        """Return the state before the first epoch."""

    def run(self, state: S, number: int, factor: float) -> float:
        """Run one epoch, and return the sum of the squared errors, each before its update."""

    def copy(self, state: S, target: S | None = None) -> S:
        """Copy a state, into another if one is given, and return the copy."""

    def is_finite(self, state: S) -> bool:
        """Return whether all parameters are finite."""

    def fetch(self, state: S) -> State:
        """Return the parameters; they may share memory with the state."""

    def send(self, state: State) -> S:
        """Return the state with the given parameters, which may share memory with it."""

    def squared_error(self, state: S) -> float:
        """Return the sum of the squared errors of a state."""

    def block_checksums(self) -> list[int]:
        """Return the checksum of the ratings of each block, in row-major order."""

    def complete(self, state: State) -> None:
        """Make parameters consistent after an epoch."""


class MakeSchedule(Protocol):
    """Sorts ratings into the order of their updates: see `make_schedule`."""

    def __call__(
        self, ratings: Any, settings: Settings, weights: Floats | None, workers: Workers
    ) -> Schedule:
        """Return the schedule."""


class MakeRunner(Protocol):
    """Prepares epochs over a schedule of standardized ratings."""

    def __call__(
        self,
        schedule: Schedule,
        settings: Settings,
        workers: Workers,
        continuations: tuple[Continuation, Continuation],
    ) -> Runner[Any]:
        """Return the runner."""


@dataclass(frozen=True)
class Backend:
    """Where ratings and parameters are, and where epochs run.

    Attributes
    ----------
    make_schedule : callable
        Sorts ratings into the order of their updates.
    make_runner : callable
        Prepares epochs over them.
    """

    make_schedule: MakeSchedule
    make_runner: MakeRunner


def _make_local_schedule(
    ratings: Any, settings: Settings, weights: Floats | None, workers: Workers
) -> Schedule:
    if isinstance(ratings, RatingsInStore):
        return make_stored_schedule(ratings, settings, workers)
    return make_schedule(ratings, settings, weights, workers)


LOCAL = Backend(_make_local_schedule, make_epoch_runner)
