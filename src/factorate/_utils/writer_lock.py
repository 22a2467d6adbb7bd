"""The lock that a thread holds while it changes an object, so that no change is lost.

The locks are not attributes of the objects, so they are neither pickled nor copied with them.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakKeyDictionary

_locks: WeakKeyDictionary[object, threading.RLock] = WeakKeyDictionary()


def writer_lock(owner: object) -> threading.RLock:
    """Return the lock of an object; the thread that holds it may acquire it again.

    Examples
    --------
    >>> class Model: ...
    >>> model = Model()
    >>> writer_lock(model) is writer_lock(model), writer_lock(model) is writer_lock(Model())
    (True, False)
    """
    return _locks.setdefault(owner, threading.RLock())  # atomic, so all threads get the same lock


def _make_new_locks() -> None:
    """Drop all locks in a forked process: the threads that held them do not exist there."""
    global _locks
    _locks = WeakKeyDictionary()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_make_new_locks)
