"""Ahead: a thread that makes calls before their results are needed, such as reading blocks."""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from factorate._utils.helper_thread import POLL_SECONDS, HelperThread, call_to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


class Ahead:
    """A thread that makes calls before their results are needed, for a block of code.

    A call that the thread has not begun when its result is needed is made by the thread that needs
    it, and so are all calls if no thread can be started.

    Examples
    --------
    >>> with Ahead() as ahead:
    ...     calls = [ahead.submit(lambda number=number: number**2) for number in range(3)]
    ...     [call.result() for call in calls]
    [0, 1, 4]
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._stopped = False
        self._helper = HelperThread(self._work)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._helper.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread after the call that it is making."""
        stop = self._stop
        call_to_the_end(stop, stop, (KeyboardInterrupt, MemoryError))

    def submit(self, function: Callable[[], R]) -> Call[R]:
        """Have a function called."""
        call = Call(function)
        self._calls.put(call)
        return call

    def _work(self) -> None:
        while not self._stopped:
            try:
                call = self._calls.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if call is not None:
                call.run()

    def _stop(self) -> None:
        self._stopped = True
        with suppress(MemoryError):  # the thread looks again after a while
            self._calls.put(None)
        self._helper.cancel_or_join()


class Call(Generic[R]):
    """A call that is made by the first thread that gets to it."""

    def __init__(self, function: Callable[[], R]) -> None:
        self._function: Callable[[], R] | None = function
        self._owner: dict[str, object] = {"reserved": None}  # as that of `HelperThread`
        self._result: R | None = None
        self._error: BaseException | None = None
        self._ended = allocate_lock()
        self._ended.acquire()

    def run(self) -> None:
        """Make the call, unless a thread has begun it."""
        token = object()
        if self._owner.setdefault("owner", token) is not token:
            return
        try:
            if self._function is not None:
                self._result = self._function()
        except BaseException as error:
            self._error = error
        finally:
            self._function = None
            self._ended.release()

    def result(self) -> R:
        """Return what the function returns, or raise its error; called once."""
        self.run()
        self._ended.acquire()
        if self._error is not None:
            raise self._error
        return cast("R", self._result)
