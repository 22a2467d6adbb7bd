"""Kernels of levels, the distinct ratings: count them, and enter their codes into a hash table.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
"""

from cython cimport floating
from libc.stdint cimport int64_t, uint16_t, uint64_t

from factorate._kernels.hash_table cimport find_slot, key_of


def count(const floating[::1] values, uint64_t[::1] keys, uint64_t multiplier, int shift,
          int64_t[::1] counts, Py_ssize_t max_levels):
    """Count the occurrences of each distinct value; return their number.

    Stops at the first value beyond `max_levels`, and returns that number plus 1. The slots of the
    table are `keys` and `counts`; all are empty before, and more than `max_levels`.
    """
    cdef Py_ssize_t t, slot, n_slots = keys.shape[0], n_levels = 0
    cdef uint64_t key
    with nogil:
        for t in range(values.shape[0]):
            key = key_of(values[t])
            slot = find_slot(&keys[0], n_slots, multiplier, shift, key)
            if keys[slot] != key:
                n_levels += 1
                if n_levels > max_levels:
                    break
                keys[slot] = key
            counts[slot] += 1
    return n_levels


def enter(const floating[::1] levels, uint64_t[::1] keys, uint64_t multiplier, int shift,
          uint16_t[::1] codes, int first):
    """Enter each level into a table whose slots are `keys` and `codes`.

    The code of a level is its index plus `first`.
    """
    cdef Py_ssize_t t, slot
    cdef uint64_t key
    with nogil:
        for t in range(levels.shape[0]):
            key = key_of(levels[t])
            slot = find_slot(&keys[0], keys.shape[0], multiplier, shift, key)
            keys[slot] = key
            codes[slot] = <uint16_t>(first + t)


def encode(const floating[::1] values, const uint64_t[::1] keys, uint64_t multiplier, int shift,
           const uint16_t[::1] codes, int64_t[::1] counts, uint16_t[::1] out):
    """Write the code of each value, and count the values of each code.

    Stop at the first value that is not in the table, and return its index; else return the number
    of values.
    """
    cdef Py_ssize_t t = 0, n = values.shape[0], slot
    cdef uint64_t key
    cdef uint16_t code
    with nogil:
        while t < n:
            key = key_of(values[t])
            slot = find_slot(&keys[0], keys.shape[0], multiplier, shift, key)
            if keys[slot] != key:
                break
            code = codes[slot]
            counts[code] += 1
            out[t] = code
            t += 1
    return t
