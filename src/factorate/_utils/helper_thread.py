"""HelperThread: a thread that calls a function, unless it is cancelled before it begins.

With little memory, a thread may end before its first line, and `threading.Thread.start` would then
wait for it forever. These threads are therefore started with `_thread`, and waited for only if they
have begun.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS = 0.1  # between looks at whether the other threads have stopped


class HelperThread:
    """A thread that calls a function, unless it is cancelled before it begins.

    Every method may be interrupted at any point and called again. Waiting allocates no memory.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._function = function
        # The first to set "owner" decides. The dict has memory for that key already. It holds no
        # reference to the helper, which would keep the function alive until garbage collection.
        self._owner: dict[str, object] = {"reserved": None}
        self._caller = object()
        self._has_begun, self._has_ended = False, False
        self._begun, self._ended = allocate_lock(), allocate_lock()
        self._begun.acquire()
        self._ended.acquire()

    def start(self) -> bool:
        """Start the thread, and return whether that was possible."""
        try:
            start_new_thread(self._run, ())
        except (RuntimeError, MemoryError):
            return False
        return True

    def wait_for_begin(self, seconds: float) -> None:
        """Wait until the thread begins, at most the given seconds."""
        if not self._has_begun:
            self._begun.acquire(timeout=seconds)

    def cancel_or_join(self) -> bool:
        """Cancel the call if it has not begun, else wait for its end; return whether cancelled."""
        if self._owner.setdefault("owner", self._caller) is self._caller:
            self._function = _do_nothing
            return True
        while not self._has_ended:
            self._ended.acquire()
        return False

    def _run(self) -> None:
        token = object()
        if self._owner.setdefault("owner", token) is not token:
            return
        try:
            self._has_begun = True
            self._begun.release()
            self._function()
        except BaseException as error:
            self.error = error
        finally:
            self._function = _do_nothing  # the thread keeps this object a little longer
            self._has_ended = True
            self._ended.release()


def _do_nothing() -> None:
    """Replace a function that is no longer needed, so that it is freed."""


def call_to_the_end(
    first: Callable[[], None],
    again: Callable[[], None],
    errors: tuple[type[BaseException], ...],
) -> None:
    """Call `first`; if one of the errors ends it, call `again` until none ends that.

    Afterwards, the error of `first` is raised, or a later KeyboardInterrupt. An error of `again`
    that is not among `errors` is raised at once. A MemoryError of `again` is not raised: other
    threads release memory.
    """
    raised: BaseException | None = None
    call: Callable[[], None] | None = first

    def repeat() -> None:
        nonlocal raised, call
        while call is not None:
            try:
                call()
                call = None
            except errors as error:
                if call is not again or isinstance(error, KeyboardInterrupt):
                    raised = error
                call = again

    try:
        repeat()
    except KeyboardInterrupt as error:  # in `except`, or where the loop jumps back
        raised, call = error, again
        repeat()
    if raised is not None:
        raise raised
