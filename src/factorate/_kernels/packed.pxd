"""Unpacking of packed ratings: their positions and values, for the loops of updates."""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t

cdef enum:
    CHUNK = 512  # ratings unpacked at a time; they stay in the cache


cdef inline Py_ssize_t unpack_positions(
        const uint16_t *pairs, const int64_t *tile_starts, Py_ssize_t n_tiles,
        const int32_t *first_users, const int32_t *first_items, Py_ssize_t tile,
        Py_ssize_t begin, Py_ssize_t end, int32_t *positions) noexcept nogil:
    """Write the positions of the ratings from `begin` to `end`; return the tile of the first.

    That of the user and that of the item of each rating alternate. `tile` is that of an earlier rating. Entries after the last tile have the positions 0.
    """
    cdef Py_ssize_t t = begin, stop, first
    cdef int32_t user, item
    while tile < n_tiles and tile_starts[tile + 1] <= begin:
        tile += 1
    first = tile
    while t < end:
        stop = end
        if tile < n_tiles and tile_starts[tile + 1] < end:
            stop = tile_starts[tile + 1]
        user = first_users[tile]
        item = first_items[tile]
        for t in range(t, stop):
            positions[2 * (t - begin)] = user + pairs[2 * t]
            positions[2 * (t - begin) + 1] = item + pairs[2 * t + 1]
        t = stop
        tile += 1
    return first


cdef inline void decode(
        const uint8_t *codes8, const uint16_t *codes16, const floating *levels,
        const floating *values, double centre, double scale,
        Py_ssize_t begin, Py_ssize_t end, floating *out) noexcept nogil:
    """Write the values of the ratings from `begin` to `end`, from the pointer that is not NULL."""
    cdef Py_ssize_t t
    if codes8 != NULL:
        for t in range(begin, end):
            out[t - begin] = levels[codes8[t]]
    elif codes16 != NULL:
        for t in range(begin, end):
            out[t - begin] = levels[codes16[t]]
    else:
        for t in range(begin, end):
            out[t - begin] = <floating>((values[t] - centre) / scale)
