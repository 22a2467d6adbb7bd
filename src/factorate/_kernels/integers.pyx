"""Kernels of integer ids: how far each is above the smallest, and which are equal.

Loops only: the caller has checked every length and dtype, and wrong arguments can crash. Another
thread may change the values meanwhile, so each is read once and checked.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

ctypedef fused bits:
    uint32_t
    uint64_t

ctypedef fused integer:
    int32_t
    int64_t

cdef enum:
    BLOCK = 4096  # values between the two loops, to stay in the cache
    MAX_PROBES = 16  # further entries of a hash table that are compared, per value
    FREE = 1024  # values whose hashes may all be equal


cdef inline uint64_t mix(uint64_t value) noexcept nogil:
    """Return the hash of a value: the last steps of SplitMix64."""
    value = (value ^ (value >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 31)


def offsets(const bits[::1] values, bits first, uint8_t[::1] seen, int32_t[::1] out):
    """Write ``values - first``, and set the entry of `seen` of each.

    The length of `seen` is a power of two, at most 2**30. Return the bitwise "or" of all
    differences, which wrap around, or -1 if one is not an index of `seen`.
    """
    cdef Py_ssize_t t, begin, end = 0, n = values.shape[0]
    cdef bits offset, differences, size = <bits>seen.shape[0], every = 0
    # Local pointers, because storing a byte may change any variable whose address is known.
    cdef const bits* source = &values[0]
    cdef uint8_t* flags = &seen[0]
    cdef int32_t* to = &out[0]
    with nogil:
        while end < n:
            begin = end
            end = min(begin + BLOCK, n)
            differences = 0
            for t in range(begin, end):
                offset = source[t] - first
                differences |= offset
                to[t] = <int32_t>offset
            every |= differences
            if every >= size:
                break
            for t in range(begin, end):
                flags[to[t]] = 1
    return -1 if every >= size else <int64_t>every


def replace(int32_t[::1] rows, const int32_t[::1] replacements):
    """Replace each row by the replacement at its index; rows are indexes of `replacements`."""
    cdef Py_ssize_t t, n = rows.shape[0]
    cdef int32_t* row = &rows[0]
    cdef const int32_t* by = &replacements[0]
    with nogil:
        for t in range(n):
            row[t] = by[row[t]]


def number(const int64_t[::1] values, Py_ssize_t begin, int64_t[::1] distinct,
           int64_t[::1] entries, Py_ssize_t n_distinct, int32_t[::1] table, int32_t[::1] out):
    """Number distinct values in the order of their first entries, from entry `begin` on.

    Write the number of each value to `out`, and new values and the indexes of their first entries
    to `distinct` and `entries`, which may be empty if the indexes are not needed. The first
    `n_distinct` are in the hash table already. The table has a power of two of entries, more than
    `distinct`, which are -1 where they are empty.

    Return the index of the first entry that was not numbered, because `distinct` is full or too
    many values have equal hashes, and the number of distinct values.
    """
    cdef Py_ssize_t t = begin, n = values.shape[0], capacity = distinct.shape[0]
    cdef uint64_t mask = <uint64_t>table.shape[0] - 1, at
    cdef int64_t value, n_probes = 0
    cdef int32_t found
    cdef const int64_t* source = &values[0]
    cdef int64_t* known = &distinct[0]
    cdef int64_t* first = &entries[0] if entries.shape[0] else NULL
    cdef int32_t* numbers = &table[0]
    cdef int32_t* to = &out[0]
    with nogil:
        while t < n and n_probes <= MAX_PROBES * (t - begin + FREE):
            value = source[t]
            at = mix(<uint64_t>value) & mask
            found = numbers[at]
            while found >= 0 and known[found] != value:
                at = (at + 1) & mask
                found = numbers[at]
                n_probes += 1
            if found < 0:
                if n_distinct == capacity:
                    break
                found = <int32_t>n_distinct
                known[n_distinct] = value
                if first is not NULL:
                    first[n_distinct] = t
                numbers[at] = found
                n_distinct += 1
            to[t] = found
            t += 1
    return t, n_distinct


def number_by_table(const integer[::1] values, Py_ssize_t begin, int64_t first,
                    int32_t[::1] table, int64_t[::1] distinct, Py_ssize_t n_distinct,
                    int32_t[::1] out):
    """Do the same as `number` without hashing: ``table[value - first]`` is the number of a value.

    Stop also before a value that has no entry in the table.
    """
    cdef Py_ssize_t t = begin, n = values.shape[0], capacity = distinct.shape[0]
    cdef uint64_t size = <uint64_t>table.shape[0], at
    cdef int64_t value
    cdef int32_t found
    cdef const integer* source = &values[0]
    cdef int64_t* known = &distinct[0]
    cdef int32_t* numbers = &table[0]
    cdef int32_t* to = &out[0]
    with nogil:
        while t < n:
            value = source[t]
            at = <uint64_t>value - <uint64_t>first  # wraps around
            if at >= size:
                break
            found = numbers[at]
            if found < 0:
                if n_distinct == capacity:
                    break
                found = <int32_t>n_distinct
                known[n_distinct] = value
                numbers[at] = found
                n_distinct += 1
            to[t] = found
            t += 1
    return t, n_distinct
