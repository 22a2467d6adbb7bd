"""Cluster: the workers of a cluster of Dask, and the groups that they have."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakSet

from factorate._cluster.group_state import StaleError
from factorate._kernels import dispatch
from factorate.exceptions import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from distributed import Client, Future

R = TypeVar("R")

logger = logging.getLogger("factorate")

MAX_ATTEMPTS = 20  # of a call, each after workers were lost
POLL_SECONDS = 0.5  # between looks at whether all workers are there


class WorkersLostError(Exception):
    """A worker is gone, or what it had is lost."""


class Cluster:
    """The workers of a cluster of Dask, and the groups that they have.

    Parameters
    ----------
    client : distributed.Client
        The client.
    return_seconds : float, default=30.0
        Seconds that workers have to return if none is left.
    """

    def __init__(self, client: Client, *, return_seconds: float = 30.0) -> None:
        self.client = client
        self._return_seconds = return_seconds
        self._addresses: list[str] = []  # the worker of each group
        self._workers: dict[str, int] = {}  # number of threads of each
        self._rejected: set[str] = set()  # addresses of workers that differ
        self._futures: WeakSet[Future] = WeakSet()  # of tasks and data

    @contextmanager
    def released(self) -> Iterator[None]:
        """Release all results that are on workers when the block of code ends."""
        try:
            yield
        finally:
            for future in self._futures:
                future.release()
            self._futures.clear()

    @property
    def n_workers(self) -> int:
        """Number of workers, when they were last looked at."""
        return len(self._workers)

    def connect(self) -> None:
        """Find the workers.

        Raises
        ------
        ClusterError
            If there is none, even after a while, or they differ in what decides the result.
        """
        self._workers = self._list_workers(wait=True)
        self._check_versions()

    def place(self, n_groups: int) -> list[int]:
        """Choose a worker for each of some groups, and return its number of threads.

        There are as many groups as workers, but no more than `n_groups`.
        """
        self._addresses = sorted(self._workers)[:n_groups]
        return [self._workers[address] for address in self._addresses]

    def replace_lost(self) -> None:
        """Choose workers for the groups whose worker is gone.

        Raises
        ------
        ClusterError
            If no worker is left, even after a while, or workers differ in what decides the result.
        """
        self.connect()
        for group, address in enumerate(self._addresses):
            if address not in self._workers:
                self._addresses[group] = self._least_loaded()

    def balance(self) -> None:
        """Move groups to workers that have come, from workers that have several.

        Raises
        ------
        WorkersLostError
            If a worker is gone.
        """
        self.check()
        for group, address in enumerate(self._addresses):
            to = self._least_loaded()
            if self._addresses.count(address) > self._addresses.count(to) + 1:
                self._addresses[group] = to

    def check(self) -> None:
        """Raise WorkersLostError if a worker is gone since the last look."""
        known, self._workers = self._workers, self._list_workers()
        lost = set(known) - set(self._workers)
        if lost:
            raise WorkersLostError(f"the workers {sorted(lost)} are gone")
        if set(self._workers) - set(known):
            self._check_versions(known)

    def address_of(self, group: int) -> str:
        """Return the address of the worker of a group."""
        return self._addresses[group]

    def other_worker(self, group: int) -> str | None:
        """Return a worker other than that of a group, or None if there is none.

        It is the next one in the order of addresses, so that all workers are chosen.
        """
        own = self.address_of(group)
        others = sorted(set(self._workers) - {own})
        following = (address for address in others if address > own)
        return next(following, others[0] if others else None)

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        group: int | None = None,
        worker: str | None = None,
    ) -> Future:
        """Have a worker call a function: that of a group, the one given, or any."""
        if group is not None:
            worker = self._addresses[group]
        workers = None if worker is None else [worker]
        with _lost_data():  # a result that is needed may be lost already
            future = self.client.submit(function, *args, workers=workers, pure=False)
        self._futures.add(future)
        return future

    def scatter(self, data: Any, *, group: int | None = None) -> Future:
        """Send data to a worker, that of a group if one is given."""
        workers = None if group is None else [self._addresses[group]]
        try:
            (future,) = self.client.scatter([data], workers=workers, hash=False)
        except (OSError, TimeoutError) as error:
            raise WorkersLostError(f"a worker does not answer: {error}") from error
        self._futures.add(future)
        return future

    def gather(self, futures: Sequence[Future]) -> list[Any]:
        """Wait for results, and return them.

        Raises
        ------
        WorkersLostError
            If a worker is gone, or what is needed is lost.
        """
        self.wait(futures)
        # A worker may be lost just now, so that its results never come.
        gathering = self.client.gather(list(futures), asynchronous=True)
        loop = self.client.loop.asyncio_loop
        pending = asyncio.run_coroutine_threadsafe(gathering, loop)
        try:
            while True:
                try:
                    with _lost_data():
                        found: list[Any] = pending.result(POLL_SECONDS)
                except TimeoutError:
                    self.check()
                else:
                    return found
        finally:
            pending.cancel()

    def wait(self, futures: Iterable[Future]) -> None:
        """Wait until tasks have ended; see `gather`. If one has raised an error, raise it."""
        from distributed import wait

        pending = list(futures)
        while True:
            try:
                with _lost_data():
                    wait(pending, timeout=POLL_SECONDS)
            except TimeoutError as error:
                _release(error)
                self.check()
            else:
                break
        with _lost_data():
            for future in pending:
                if future.status == "error":
                    future.result()

    def retry(self, call: Callable[[], R], restore: Callable[[], None] = lambda: None) -> R:
        """Call a function; if workers are lost, again, after `restore` with those that are left.

        Raises
        ------
        ClusterError
            If no workers are left, or workers are lost again and again.
        """
        for _ in range(MAX_ATTEMPTS):
            try:
                return call()
            except WorkersLostError as error:
                lost = str(error)
                _release(error)
            try:
                self.replace_lost()
                restore()
            except WorkersLostError as error:
                lost = str(error)
                _release(error)
        raise ClusterError(f"workers were lost {MAX_ATTEMPTS} times in succession: {lost}")

    def holders(self, futures: Sequence[Future]) -> list[list[str]]:
        """Return the addresses of the workers that have each result."""
        present = [future for future in futures if future.status == "finished"]
        holders = self.client.who_has(present) if present else {}
        return [list(holders.get(future.key, ())) for future in futures]

    def cancel(self, futures: Iterable[Future]) -> None:
        """Cancel tasks, whether or not they have begun, and all that depend on them.

        Of these, the futures must exist, or an assertion of Dask's scheduler ends the connection.
        """
        self.client.cancel(list(futures), force=True)

    def _list_workers(self, *, wait: bool = False) -> dict[str, int]:
        """Return the number of threads of each worker; if none is left, wait for some."""
        end = time.monotonic() + (self._return_seconds if wait else 0)
        while True:
            try:
                workers: dict[str, int] = self.client.nthreads()
            except (OSError, ValueError) as error:
                raise ClusterError(f"the scheduler of Dask cannot be reached: {error}") from error
            workers = {a: n for a, n in workers.items() if a not in self._rejected}
            if workers or time.monotonic() >= end:
                break
            time.sleep(POLL_SECONDS)
        if wait and not workers:
            raise ClusterError(
                f"the cluster has no workers, and none came within {self._return_seconds:g} seconds"
            )
        return workers

    def _least_loaded(self) -> str:
        return min(self._workers, key=self._addresses.count)

    def _check_versions(self, known: Collection[str] = ()) -> None:
        """Raise ClusterError if workers differ from the client in what decides the result.

        If there are known workers, others that differ are left out, with a warning in the log.
        """
        own, addresses = _describe(), [name for name in self._workers if name not in known]
        try:
            descriptions = self.client.run(_describe, workers=addresses)
        except (OSError, KeyError) as error:  # KeyError: it is gone already
            raise WorkersLostError(f"a worker does not answer: {error}") from error
        for address, found in descriptions.items():
            if found == own:
                continue
            difference = (
                f"worker {address} has factorate {found.version} with {found.isa} kernels, the "
                f"client {own.version} with {own.isa}"
            )
            if not known:
                raise ClusterError(
                    f"{difference}; install the same version everywhere, and set FACTORATE_ISA to "
                    f"the same instruction set if processors differ"
                )
            logger.warning("%s; it is not used", difference)
            self._rejected.add(address)
            del self._workers[address]


def _release(error: BaseException | None) -> None:
    """Remove the tracebacks of an error and its causes.

    Dask keeps errors for a while. All results that the calls in their tracebacks refer to would
    stay on the workers.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


@contextmanager
def _lost_data() -> Iterator[None]:
    """Raise WorkersLostError in place of the errors of Dask that say so."""
    from concurrent.futures import CancelledError

    from distributed.scheduler import KilledWorker

    try:
        yield
    except (CancelledError, KilledWorker, StaleError) as error:
        raise WorkersLostError(str(error)) from error


class _Description(NamedTuple):
    version: str
    isa: str


def _describe() -> _Description:
    version: str = sys.modules["factorate"].__version__  # a layer above
    return _Description(version, dispatch.chosen())
