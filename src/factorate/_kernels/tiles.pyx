"""Kernel of the rating schedule: sort ratings into tiles, and shuffle each tile.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint64_t

from factorate._kernels.rows cimport prefetch

cdef enum:
    AHEAD = 16  # ratings of a tile between a prefetch and the store: a cache line
    DIGIT_BITS = 11
    N_DIGITS = 2048


def count(const int32_t[::1] user_rows, const int32_t[::1] item_rows, layout, int64_t[::1] counts):
    """Add the number of ratings in each tile to `counts`.

    The layout holds the tile range of each user and item, and the number of the tile where two
    ranges cross: `user_ranges`, `item_ranges` and `numbers`.
    """
    cdef const int32_t[::1] user_ranges = layout.user_ranges
    cdef const int32_t[::1] item_ranges = layout.item_ranges
    cdef const int32_t[:, ::1] numbers = layout.numbers
    cdef Py_ssize_t t
    with nogil:
        for t in range(user_rows.shape[0]):
            counts[numbers[user_ranges[user_rows[t]], item_ranges[item_rows[t]]]] += 1


def scatter(const int32_t[::1] user_rows, const int32_t[::1] item_rows, const floating[::1] values,
            const floating[::1] weights, layout, int64_t[::1] cursor, out):
    """Write each rating to its tile, with positions instead of rows.

    The layout is that of `count`, with the position of each user and item: `user_positions` and
    `item_positions`. The cursor, which is changed, has the index of the next rating of each tile.
    `weights` may be empty. The output arrays are `user_positions`, `item_positions`, `ratings` and
    `weights` of `out`; all but the last have AHEAD further entries, which are prefetched but not
    written. Processors do not prefetch as many streams as there are tiles.
    """
    cdef const int32_t[::1] user_ranges = layout.user_ranges
    cdef const int32_t[::1] item_ranges = layout.item_ranges
    cdef const int32_t[::1] user_positions = layout.user_positions
    cdef const int32_t[::1] item_positions = layout.item_positions
    cdef const int32_t[:, ::1] numbers = layout.numbers
    cdef int32_t[::1] out_user_positions = out.user_positions
    cdef int32_t[::1] out_item_positions = out.item_positions
    cdef floating[::1] out_values = out.ratings
    cdef floating[::1] out_weights = out.weights
    cdef Py_ssize_t t
    cdef int32_t tile
    cdef int64_t to
    with nogil:
        for t in range(user_rows.shape[0]):
            tile = numbers[user_ranges[user_rows[t]], item_ranges[item_rows[t]]]
            to = cursor[tile]
            cursor[tile] = to + 1
            prefetch(&out_user_positions[to] + AHEAD)
            prefetch(&out_item_positions[to] + AHEAD)
            prefetch(&out_values[to] + AHEAD)
            out_user_positions[to] = user_positions[user_rows[t]]
            out_item_positions[to] = item_positions[item_rows[t]]
            out_values[to] = values[t]
            if weights.shape[0]:
                out_weights[to] = weights[t]


cdef inline uint64_t mix(uint64_t x, int n_bits) noexcept nogil:
    # Odd factors and xor-shifts are bijections of n_bits-bit numbers, so keys are distinct.
    cdef uint64_t mask = (<uint64_t>1 << n_bits) - 1
    x = (x * <uint64_t>0x9E3779B97F4A7C15) & mask
    x ^= x >> (n_bits // 2)
    x = (x * <uint64_t>0xBF58476D1CE4E5B9) & mask
    return x ^ (x >> (n_bits // 2))


cdef inline Py_ssize_t sort_keys(uint64_t[:, ::1] keys, int32_t[:, ::1] origins, Py_ssize_t size,
                                 int n_bits) noexcept nogil:
    """Sort keys[0], and origins[0] with them; return which row, 0 or 1, has the result.

    A stable least-significant-digit radix sort.
    """
    cdef Py_ssize_t t, source = 0, turn, shift, digit
    cdef int64_t total, here
    cdef int64_t[N_DIGITS] bucket
    for turn in range((n_bits + DIGIT_BITS - 1) // DIGIT_BITS):
        shift = turn * DIGIT_BITS
        for digit in range(N_DIGITS):
            bucket[digit] = 0
        for t in range(size):
            bucket[(keys[source, t] >> shift) & (N_DIGITS - 1)] += 1
        total = 0
        for digit in range(N_DIGITS):
            here = bucket[digit]
            bucket[digit] = total
            total += here
        for t in range(size):
            digit = (keys[source, t] >> shift) & (N_DIGITS - 1)
            keys[1 - source, bucket[digit]] = keys[source, t]
            origins[1 - source, bucket[digit]] = origins[source, t]
            bucket[digit] += 1
        source = 1 - source
    return source


def shuffle(int32_t[::1] user_positions, int32_t[::1] item_positions, floating[::1] values,
            floating[::1] weights, tiles, Py_ssize_t begin, Py_ssize_t end, scratch):
    """Order the ratings of the tiles from begin to end by a hash of their positions, in place.

    The hash has no collisions, so only ratings of the same pair have equal keys; these stay in
    order. `weights` may be empty. The tiles have the start of each, its first positions, its number
    of items, and the number of bits of the hash: `starts`, `first_user_positions`,
    `first_item_positions`, `n_items` and `n_bits`. Scratch has `keys`, `origins`, `rows` and
    `values`, two rows each, as long as the largest tile.
    """
    cdef const int64_t[::1] starts = tiles.starts
    cdef const int32_t[::1] first_user_positions = tiles.first_user_positions
    cdef const int32_t[::1] first_item_positions = tiles.first_item_positions
    cdef const int32_t[::1] n_items = tiles.n_items
    cdef int n_bits = tiles.n_bits
    cdef uint64_t[:, ::1] keys = scratch.keys
    cdef int32_t[:, ::1] origins = scratch.origins
    cdef int32_t[:, ::1] old_rows = scratch.rows
    cdef floating[:, ::1] old_values = scratch.values
    cdef Py_ssize_t k, t, size, start, sorted_row
    cdef uint64_t cell
    with nogil:
        for k in range(begin, end):
            start = starts[k]
            size = starts[k + 1] - start
            for t in range(size):
                old_rows[0, t] = user_positions[start + t]
                old_rows[1, t] = item_positions[start + t]
                old_values[0, t] = values[start + t]
                if weights.shape[0]:
                    old_values[1, t] = weights[start + t]
                cell = <uint64_t>(user_positions[start + t] - first_user_positions[k])
                cell *= <uint64_t>n_items[k]
                cell += <uint64_t>(item_positions[start + t] - first_item_positions[k])
                keys[0, t] = mix(cell, n_bits)
                origins[0, t] = <int32_t>t
            sorted_row = sort_keys(keys, origins, size, n_bits)
            for t in range(size):
                user_positions[start + t] = old_rows[0, origins[sorted_row, t]]
                item_positions[start + t] = old_rows[1, origins[sorted_row, t]]
                values[start + t] = old_values[0, origins[sorted_row, t]]
                if weights.shape[0]:
                    weights[start + t] = old_values[1, origins[sorted_row, t]]
