"""Kernels of counting: the ratings of each row, and the distinct items of each user.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t


def count(const int32_t[::1] rows, int64_t[::1] counts):
    """Count the entries of each row; return the index of the first out of range, or -1."""
    cdef Py_ssize_t t, bad = -1
    cdef int32_t n = <int32_t>counts.shape[0]
    with nogil:
        for t in range(rows.shape[0]):
            if rows[t] < 0 or rows[t] >= n:
                bad = t
                break
            counts[rows[t]] += 1
    return bad


def count_in_bytes(const int32_t[::1] rows, uint8_t[::1] units, int64_t[::1] rest):
    """Count the entries of each row, in bytes that stay in the cache, whose carries are in `rest`.

    The number of entries of a row is ``units[row] + rest[row]``. All rows are in range.
    """
    cdef Py_ssize_t t, n = rows.shape[0]
    cdef int32_t row
    # Local pointers, because storing a byte may change any variable whose address is known.
    cdef const int32_t* source = &rows[0]
    cdef uint8_t* low = &units[0]
    cdef int64_t* high = &rest[0]
    with nogil:
        for t in range(n):
            row = source[t]
            low[row] += 1
            if low[row] == 0:
                high[row] += 256


def group(const int32_t[::1] keys, const int32_t[::1] values, int64_t[::1] cursor,
          int32_t[::1] out):
    """Write each value to the position in its key's cursor, and advance the cursor."""
    cdef Py_ssize_t t
    with nogil:
        for t in range(keys.shape[0]):
            out[cursor[keys[t]]] = values[t]
            cursor[keys[t]] += 1


def regroup(const int32_t[::1] users_by_item, const int64_t[::1] item_starts,
            const int64_t[::1] user_starts, int64_t[::1] user_ends, int32_t[::1] out):
    """Write the distinct items of each user, ascending, from the user's start on.

    `user_ends` is a copy of `user_starts`, and is changed to the end of the items of each user.
    """
    cdef Py_ssize_t t
    cdef int32_t i, u
    cdef int64_t to
    with nogil:
        for i in range(<int32_t>item_starts.shape[0] - 1):
            for t in range(item_starts[i], item_starts[i + 1]):
                u = users_by_item[t]
                to = user_ends[u]
                if to > user_starts[u] and out[to - 1] == i:
                    continue
                out[to] = i
                user_ends[u] = to + 1


def pack(const int64_t[::1] starts, const int64_t[::1] packed_starts, const int32_t[::1] values,
         int32_t[::1] out):
    """Copy the first values of each group, as many as fit between its packed starts."""
    cdef Py_ssize_t g, t
    with nogil:
        for g in range(starts.shape[0] - 1):
            for t in range(packed_starts[g + 1] - packed_starts[g]):
                out[packed_starts[g] + t] = values[starts[g] + t]
