"""update: the updates of a step, on a worker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from factorate._cluster.group_state import (
    GroupState,
    Stale,
    StaleError,
    as_rows,
    begin_epoch,
    begin_step,
    end_epoch,
)
from factorate._cluster.worker_threads import count_worker_threads
from factorate._training.block_updater import block_updater
from factorate._utils.workers import Dependencies, Workers

if TYPE_CHECKING:
    from factorate._cluster.group_ratings import GroupRatings
    from factorate._training.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StepTask:
    """What a step does to the states of users and items.

    Attributes
    ----------
    blocks : list of tuple of int
        Row band and column band of each block, in order.
    first_item_position : int
        First item position of the column group.
    n_user_steps, n_item_steps : int
        Number of the steps of this epoch that changed the users, and the items, before.
    ends_users, ends_items : bool
        Whether this is the last step of this epoch that changes them.
    settings : Settings
        Settings of training.
    factor : float
        Factor of the learning rates.
    general : bool
        Whether the general kernel is needed.
    """

    blocks: list[tuple[int, int]]
    first_item_position: int
    n_user_steps: int
    n_item_steps: int
    ends_users: bool
    ends_items: bool
    settings: Settings
    factor: float
    general: bool


class Updated(NamedTuple):
    """The result of a step.

    Attributes
    ----------
    users, items : GroupState
        The parameters.
    squared : list of tuple
        The row band and column band of each block that was updated in this epoch so far, and the
        sum of its squared errors.
    """

    users: GroupState
    items: GroupState
    squared: list[tuple[int, int, float]]


def update(
    ratings: GroupRatings,
    before: GroupState | Updated | Stale,
    items: GroupState | Stale,
    task: StepTask,
) -> Updated | Stale:
    """Run the updates of a step.

    Parameters
    ----------
    ratings : GroupRatings
        The ratings of the row group.
    before : GroupState or Updated
        The users as they are between epochs, or the result of the step before.
    items : GroupState
        The items.
    task : StepTask
        What to do.
    """
    if isinstance(before, Stale) or isinstance(items, Stale):
        return Stale()
    users, squared = (
        (before, []) if isinstance(before, GroupState) else (before.users, before.squared)
    )
    settings, general = task.settings, task.general
    if not task.n_user_steps:
        users = begin_epoch(users, settings, task.factor, general=general)
    if not task.n_item_steps:
        items = begin_epoch(items, settings, task.factor, general=general)
    try:
        users = begin_step(users, task.n_user_steps)
        items = begin_step(items, task.n_item_steps)
    except StaleError:
        return Stale()
    run = block_updater(settings, as_rows(users), as_rows(items), general=general)
    packed = replace(
        ratings.packed,
        first_item_positions=ratings.packed.first_item_positions - task.first_item_position,
    )

    def update_block(block: tuple[int, int]) -> tuple[int, int, float]:
        return *block, run(packed, *ratings.block_tiles(*block))

    workers = Workers(count_worker_threads())
    errors = workers.run_tasks(task.blocks, Dependencies(task.blocks), update_block)
    users.n_steps, items.n_steps = task.n_user_steps + 1, task.n_item_steps + 1
    return Updated(
        end_epoch(users, general=general) if task.ends_users else users,
        end_epoch(items, general=general) if task.ends_items else items,
        squared + errors,
    )


def users_of(updated: Updated | Stale) -> GroupState | Stale:
    """Return the users after a step."""
    return updated if isinstance(updated, Stale) else updated.users


def items_of(updated: Updated | Stale) -> GroupState | Stale:
    """Return the items after a step."""
    return updated if isinstance(updated, Stale) else updated.items


def squared_of(updated: Updated | Stale) -> list[tuple[int, int, float]]:
    """Return the squared errors of the blocks.

    Raises
    ------
    StaleError
        If a step has run twice.
    """
    if isinstance(updated, Stale):
        raise StaleError("a step ran again on what it had changed")
    return updated.squared
