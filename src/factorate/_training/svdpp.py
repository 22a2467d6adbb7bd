"""SVD++ terms: what a user has rated, whatever the rating, speaks through the items.

SVD++ (Koren, "Factorization Meets the Neighborhood", KDD 2008, eq. 15) puts in the place of p_u

    p̃_u = p_u + |N(u)|^-½ Σ_{j ∈ N(u)} y_j

where N(u) are the items of u in the training ratings. Each rating of u would move every y_j of
N(u), and each y_j belongs to most users: slow, and no two users could be trained side by side. So
users are cut into groups, and an epoch goes through them one by one:

1. gather: the sums Σ y_j of the group's users;
2. lift: p̃_u from p_u and its sum;
3. visit: the kernel of the plain model trains p̃_u, q_i and biases on the group's ratings;
4. settle: the way that p̃_u went is parted, a share of it to the items, the rest to p_u;
5. spread: each y_j receives |N(u)|^-½ of that share from each user of the group that rated it,

after which |N(u)|^-½ Σ y_j has moved by just that share, but for what other users of the group did
to the same items. As N(u) are the very ratings of u, gathering and spreading walk the blocks of
the schedule, and no task waits for more than those before it in its bands. Regularization of p_u
waits for the settling, and that of y_j for the end of the epoch: each shrinks by 1 − ηλ once for
each of its ratings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._kernels import dispatch
from factorate._kernels.plain import LOOKAHEAD
from factorate._training.schedule import strata
from factorate._utils.aligned import aligned_zeros
from factorate._utils.random_streams import permutation, stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from factorate._training.parallel import Bands
    from factorate._training.schedule import Schedule
    from factorate._training.state import State, WarmStart
    from factorate._utils.types import Floats

    Run = Callable[[list[Any], list[Bands], Callable[[Any], float]], list[float]]

N_GROUPS = 32  # of users: RMSE gains nothing from more, and loses 0.0005 on ML-1M with half of them
GROUP_BLOCK_WORK = 1 << 19  # ratings × factors of a block: a tenth of a millisecond
MAX_WIDTH = 16  # row bands of a group, and column bands
SHARE = 0.12  # of a user's way that the items take
# The users of a group move the items they share all at once, so what one of them hands over comes
# back to it several times: as many as the mean square of the sum of their unit vectors
# |N(u)|^-½ 1_N(u). That many times the share is this at most. On ML-1M anything from 1 to 4 is as
# good, 6 is worse, and 12 with more groups diverges.
LARGEST_STEP = 2.5


class Phase(IntEnum):
    """What is done to a block, or to a row band."""

    GATHER = 0
    LIFT = 1
    VISIT = 2
    SETTLE = 3
    SPREAD = 4


class Task(NamedTuple):
    """One phase of one block; the column is None where it is of the whole row band."""

    phase: Phase
    row: int
    column: int | None


@dataclass(frozen=True)
class Terms:
    """What stays the same from epoch to epoch, but for the sums; rows are places.

    Attributes
    ----------
    sums
        Σ y_j of each user, then p̃_u as it was lifted, then the step of each of its items.
    norm
        |N(u)|^-½, shape (users,). A pair that was rated twice counts twice.
    user_weight, item_weight
        Number of ratings of each user and item, or the sum of their weights.
    shares
        Of the way of its users, what each group gives to the items.
    width
        Row bands of a group.
    """

    sums: Floats
    norm: Floats
    user_weight: NDArray[Any]
    item_weight: NDArray[Any]
    shares: list[float]
    width: int


def _width(n_ratings: int, n_factors: int) -> int:
    blocks = n_ratings * n_factors / (N_GROUPS * GROUP_BLOCK_WORK)
    return max(1, min(MAX_WIDTH, round(math.sqrt(blocks))))


def bands(n_ratings: int, n_factors: int) -> tuple[int, int]:
    """Return how many row and column bands the schedule should have at most."""
    width = _width(n_ratings, n_factors)
    return N_GROUPS * width, width


def _groups(n_rows: int, width: int) -> list[range]:
    return [range(first, min(first + width, n_rows)) for first in range(0, n_rows, width)]


def make_terms(schedule: Schedule, n_factors: int) -> Terms:
    """Count what SVD++ terms need to know of the ratings.

    Examples
    --------
    >>> import numpy as np
    >>> from factorate._training.schedule import make_schedule
    >>> users, items = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], np.int32)
    >>> schedule = make_schedule(users, items, np.ones(4), 2, 2, n_factors=16, seed=0)
    >>> make_terms(schedule, 16).norm.round(3).tolist()
    [0.707, 0.707]
    """
    n, dtype = schedule.n_ratings, schedule.ratings.dtype
    users, items = schedule.users[:n], schedule.items[:n]
    n_users = len(schedule.user_order)
    weights = schedule.weights if len(schedule.weights) else None
    norm = np.bincount(users) ** -0.5
    width = _width(n, n_factors)
    starts = schedule.block_starts[:: schedule.n_bands[1]].tolist()  # of row bands
    edges = schedule.user_edges.tolist()
    shares = []
    for rows in _groups(schedule.n_bands[0], width):
        part = slice(starts[rows.start], starts[rows.stop])
        together = np.bincount(items[part], norm[users[part]])
        in_group = edges[rows.stop] - edges[rows.start]
        shares.append(min(SHARE, LARGEST_STEP * in_group / float(together @ together)))
    return Terms(
        aligned_zeros((n_users, n_factors), dtype), norm.astype(dtype),
        np.bincount(users, weights), np.bincount(items, weights), shares, width,
    )  # fmt: skip


def begin(
    state: State, schedule: Schedule, terms: Terms, start: WarmStart | None, scale: float, run: Run
) -> State:
    """Add to a state what SVD++ terms need: y = 0, or what was learnt before, and p to match."""
    svdpp = aligned_zeros(state.Q.shape, state.Q.dtype)
    out = replace(state, own=state.P.copy(), svdpp=svdpp)
    if start is not None and start.factors.svdpp is not None:
        known = start.known_items[schedule.item_order]
        rows = start.factors.svdpp[schedule.item_order[known]]
        svdpp[known, : rows.shape[1]] = rows / rows.dtype.type(math.sqrt(scale))
        lift(out, schedule, terms, run)
        # New users begin with p at random; the others with p̃ as it was.
        known = start.known_users[schedule.user_order]
        out.own[known] -= (out.P - out.own)[known]
    return out


def tasks(terms: Terms, n_bands: tuple[int, int], seed: int, epoch: int) -> list[Task]:
    """Return what one epoch does, in the order whose result it has."""
    bits = stream(seed, 6, epoch)
    groups = _groups(n_bands[0], terms.width)
    out = []
    for number in permutation(len(groups), bits):
        rows = [groups[number][place] for place in permutation(len(groups[number]), bits)]
        crossings = strata(rows, permutation(n_bands[1], bits).tolist())
        for phase in Phase:
            if phase in (Phase.LIFT, Phase.SETTLE):
                out += [Task(phase, row, None) for row in rows]
            else:
                out += [Task(phase, *crossing) for crossing in crossings]
    return out


def lift(state: State, schedule: Schedule, terms: Terms, run: Run) -> None:
    """Make p̃ of every user what p and y say."""
    terms.sums.fill(0)
    rows, columns = (list(range(n)) for n in schedule.n_bands)
    order = [Task(Phase.GATHER, *crossing) for crossing in strata(rows, columns)]
    order += [Task(Phase.LIFT, row, None) for row in rows]
    nothing = terms.norm[:0], lambda _: 0.0  # lifting neither settles nor visits
    run(order, [task[1:] for task in order], _performer(state, schedule, terms, *nothing))


def run_epoch(
    state: State,
    schedule: Schedule,
    terms: Terms,
    keep: float,
    order: list[Task],
    visit: Callable[[int], float],
    run: Run,
) -> float:
    """Run one epoch and return its squared error.

    Parameters
    ----------
    state, schedule, terms
        What is trained.
    keep
        1 − ηλ of user factors: what a rating leaves of p_u and y_j.
    order
        The tasks.
    visit
        Trains p̃, q and biases on one block, p̃ without regularization.
    run
        Runs a function on tasks, given what they touch.
    """
    terms.sums.fill(0)
    kept = (keep**terms.user_weight).astype(state.P.dtype)
    perform = _performer(state, schedule, terms, kept, visit)
    squared = sum(run(order, [task[1:] for task in order], perform))
    svdpp = state.svdpp
    svdpp *= (keep**terms.item_weight).astype(svdpp.dtype)[:, None]
    return squared


def _performer(
    state: State,
    schedule: Schedule,
    terms: Terms,
    kept: Floats,
    visit: Callable[[int], float],
) -> Callable[[Task], float]:
    """Return the function that does one task and returns its squared error."""
    starts, edges = schedule.block_starts.tolist(), schedule.user_edges.tolist()
    users, items = schedule.users, schedule.items
    rows = state.P, state.own, terms.sums, terms.norm

    def perform(task: Task) -> float:
        phase, row, column = task
        if column is None:
            some = edges[row], edges[row + 1]
            if phase == Phase.LIFT:
                dispatch.svdpp.combine(*rows, *some)
            else:
                dispatch.svdpp.distribute(*rows, kept, terms.shares[row // terms.width], *some)
            return 0.0
        block = row * schedule.n_bands[1] + column
        part = slice(starts[block], starts[block + 1] + LOOKAHEAD)
        some_users, some_items, n = users[part], items[part], starts[block + 1] - starts[block]
        if phase == Phase.VISIT:
            return visit(block)
        if phase == Phase.GATHER:
            dispatch.svdpp.add_rows(some_users, some_items, n, terms.sums, state.svdpp)
        else:
            dispatch.svdpp.add_rows(some_items, some_users, n, state.svdpp, terms.sums)
        return 0.0

    return perform
