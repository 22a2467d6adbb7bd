"""Held: a result on the worker of a group, and its copy on another worker."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorate._cluster.group_state import Stale, StaleError
from factorate.exceptions import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from distributed import Future

    from factorate._cluster.cluster import Cluster


@dataclass(frozen=True)
class Held:
    """A result on the worker of a group, and its copy on another worker.

    Attributes
    ----------
    group : int
        The group.
    future : Future
        The result.
    copy : Future or None
        The copy, if there is another worker and the client cannot send the result again.
    """

    group: int
    future: Future
    copy: Future | None = None


def hold(cluster: Cluster, future: Future, group: int) -> Held:
    """Keep a result on the worker of a group, and on another, if there is one.

    Dask may remove all replicas of a result but one, on any worker. So each of the two workers has
    a result of its own, which no other worker takes.
    """
    other = cluster.other_worker(group)
    copy = None if other is None else cluster.submit(same, future, worker=other)
    return Held(group, cluster.submit(same, future, group=group), copy)


def restore(cluster: Cluster, entries: Sequence[Held]) -> list[Held]:
    """Replace what is lost by its copy, and copies that are lost; return when all are there.

    Until then the given ones stay, because more workers may be lost meanwhile.

    Raises
    ------
    ClusterError
        If a result and its copy are lost.
    """
    restored = []
    copies = [entry.future if entry.copy is None else entry.copy for entry in entries]
    all_holders = cluster.holders([*(entry.future for entry in entries), *copies])
    of_futures, of_copies = all_holders[: len(entries)], all_holders[len(entries) :]
    for entry, copy, holders, copy_holders in zip(
        entries, copies, of_futures, of_copies, strict=True
    ):
        address = cluster.address_of(entry.group)
        if entry.copy is None:
            is_copied = cluster.n_workers == 1
        else:
            is_copied = bool(set(copy_holders) - {address})
        if address in holders and is_copied:
            restored.append(entry)
        elif holders or copy_holders:
            restored.append(hold(cluster, entry.future if holders else copy, entry.group))
        else:
            raise ClusterError(
                "the workers that held some of the factors are gone, and so are those with a copy "
                "of them; fit again, from the last checkpoint if there is one"
            )
    cluster.wait(futures_of(restored))
    return restored


def futures_of(entries: Iterable[Held]) -> Iterator[Future]:
    """Iterate over results and their copies."""
    return itertools.chain.from_iterable(
        (entry.future,) if entry.copy is None else (entry.future, entry.copy) for entry in entries
    )


def same(value: Any) -> Any:
    """Return a result, which makes a copy of one that is on another worker.

    Raises
    ------
    StaleError
        If it is `Stale`.
    """
    if isinstance(value, Stale):
        raise StaleError("a step ran again on what it had changed")
    return value
