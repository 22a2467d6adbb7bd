"""Kernel of the rating schedule: sort ratings into groups of tiles, and each group into tiles.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from factorate._kernels.hash_table cimport find_slot, key_of
from factorate._kernels.rows cimport LINE, prefetch

cdef enum:
    DIGIT_BITS = 11
    FEW = 32  # records that are sorted by insertion

MAX_DIGIT_BITS = DIGIT_BITS


def count(const int32_t[::1] user_rows, const int32_t[::1] item_rows, layout, int64_t[::1] counts):
    """Add the number of ratings of each crossing of tile ranges to `counts`.

    The layout holds `user_crossings` and `item_crossings`, whose sum is the row-major number of the
    crossing.
    """
    cdef const int32_t[::1] all_user_crossings = layout.user_crossings
    cdef const int32_t[::1] all_item_crossings = layout.item_crossings
    cdef const int32_t *user_crossings = &all_user_crossings[0]
    cdef const int32_t *item_crossings = &all_item_crossings[0]
    cdef const int32_t *users = &user_rows[0]
    cdef const int32_t *items = &item_rows[0]
    cdef int64_t *out = &counts[0]
    cdef Py_ssize_t t
    with nogil:
        for t in range(user_rows.shape[0]):
            out[user_crossings[users[t]] + item_crossings[items[t]]] += 1


def scatter(const int32_t[::1] user_rows, const int32_t[::1] item_rows, const floating[::1] values,
            const floating[::1] weights, layout, table, int64_t[::1] cursor, out):
    """Write each rating to its group, with positions in the group instead of rows.

    The layout holds `user_cells` and `item_cells`. The sum of those of a user and an item is the
    number of their group, times 2**32, plus the pair of their positions in it: the item's times
    2**16, plus the user's. The cursor, which is changed, has the index of the next rating of each
    group. The table of codes has `keys`, `codes`, `multiplier` and `shift`. The output arrays are
    `pairs`, one of `codes8`, `codes16` and `values`, and `weights` of `out`; the others are empty.
    """
    cdef const int64_t[::1] all_user_cells = layout.user_cells
    cdef const int64_t[::1] all_item_cells = layout.item_cells
    cdef const uint64_t[::1] all_keys = table.keys
    cdef const uint16_t[::1] all_codes = table.codes
    cdef uint64_t multiplier = table.multiplier
    cdef int shift = table.shift
    cdef uint16_t[:, ::1] all_pairs = out.pairs
    cdef uint8_t[::1] all_codes8 = out.codes8
    cdef uint16_t[::1] all_codes16 = out.codes16
    cdef floating[::1] all_values = out.values
    cdef floating[::1] all_weights = out.weights
    # The compiler would read the fields of a memoryview again after each write.
    cdef const int64_t *user_cells = &all_user_cells[0]
    cdef const int64_t *item_cells = &all_item_cells[0]
    cdef const uint64_t *keys = &all_keys[0]
    cdef const uint16_t *codes = &all_codes[0]
    cdef const int32_t *users = &user_rows[0]
    cdef const int32_t *items = &item_rows[0]
    cdef const floating *given_values = &values[0]
    cdef const floating *given_weights = &weights[0] if weights.shape[0] else NULL
    cdef int64_t *next_rating = &cursor[0]
    cdef uint16_t *pairs = &all_pairs[0, 0]
    cdef uint8_t *codes8 = &all_codes8[0] if all_codes8.shape[0] else NULL
    cdef uint16_t *codes16 = &all_codes16[0] if all_codes16.shape[0] else NULL
    cdef floating *out_values = &all_values[0] if all_values.shape[0] else NULL
    cdef floating *out_weights = &all_weights[0] if weights.shape[0] else NULL
    cdef Py_ssize_t t, n = user_rows.shape[0], n_slots = all_keys.shape[0]
    cdef int64_t cell, to
    cdef uint16_t code
    with nogil:
        for t in range(n):
            cell = user_cells[users[t]] + item_cells[items[t]]
            to = next_rating[cell >> 32]
            next_rating[cell >> 32] = to + 1
            # Processors do not prefetch as many streams as there are groups.
            prefetch(<const char *>(pairs + 2 * to) + LINE)
            pairs[2 * to] = <uint16_t>cell  # the compiler makes one store of both
            pairs[2 * to + 1] = <uint16_t>(cell >> 16)
            if out_values != NULL:
                prefetch(<const char *>(out_values + to) + LINE)
                out_values[to] = given_values[t]
            else:
                code = codes[find_slot(keys, n_slots, multiplier, shift, key_of(given_values[t]))]
                if codes8 != NULL:
                    prefetch(<const char *>(codes8 + to) + LINE)
                    codes8[to] = <uint8_t>code
                else:
                    prefetch(<const char *>(codes16 + to) + LINE)
                    codes16[to] = code
            if given_weights != NULL:
                out_weights[to] = given_weights[t]


cdef inline uint32_t mix(uint32_t x, uint32_t mask, int half) noexcept nogil:
    # Odd factors and xor-shifts are bijections of the numbers up to the mask, so keys are distinct.
    x = (x * <uint32_t>0x7F4A7C15) & mask
    x ^= x >> half
    x = (x * <uint32_t>0x1CE4E5B9) & mask
    return x ^ (x >> half)


cdef inline void sort_few(uint64_t *records, Py_ssize_t size) noexcept nogil:
    """Sort records by insertion."""
    cdef Py_ssize_t t, k
    cdef uint64_t record
    for t in range(1, size):
        record = records[t]
        k = t
        while k > 0 and records[k - 1] > record:
            records[k] = records[k - 1]
            k -= 1
        records[k] = record


cdef inline void count_digits(const uint64_t *records, Py_ssize_t size, int shift, int digit_bits,
                              int32_t *firsts) noexcept nogil:
    """Write where the records with each digit, which begins at the bit `shift`, begin if sorted."""
    cdef Py_ssize_t t, digit, n_digits = <Py_ssize_t>1 << digit_bits
    cdef int32_t total = 0, here
    for digit in range(n_digits):
        firsts[digit] = 0
    for t in range(size):
        firsts[(records[t] >> shift) & (n_digits - 1)] += 1
    for digit in range(n_digits):
        here = firsts[digit]
        firsts[digit] = total
        total += here


def arrange(floating[::1] values, floating[::1] weights, out, groups, Py_ssize_t begin,
            Py_ssize_t end, scratch):
    """Sort the ratings of the groups from begin to end into tiles and strips; shuffle each strip.

    The ratings of a strip are ordered by a hash of their positions without collisions, so only
    ratings of the same pair have equal keys; these stay in order. The arrays are those of
    `scatter`, which are changed in place, and `tile_starts`.

    Each group has `starts`, `first_tiles`, `first_user_positions`, `first_item_positions` and
    `n_item_ranges`, the number of tiles side by side. `user_positions` and `item_positions` have,
    for each position, that in its tile, plus 2**16 times the number of its tile range in the group.
    `n_items` is that of each tile. A strip has 2**strip_bits users; `n_bits` is the number of bits
    of the hash, and `n_key_bits`, at most 32, that with the number of the strip. Scratch has
    `records`, two rows, as long as the largest tile, `pairs`, `codes`, `values` and `weights`, as
    long as the largest group, `cursor`, as long as the most tiles of a group, and `buckets`, as
    long as 2**MAX_DIGIT_BITS.
    """
    cdef const int64_t[::1] starts = groups.starts
    cdef const int64_t[::1] first_tiles = groups.first_tiles
    cdef const int32_t[::1] first_users = groups.first_user_positions
    cdef const int32_t[::1] first_items = groups.first_item_positions
    cdef const int32_t[::1] n_item_ranges = groups.n_item_ranges
    cdef const uint32_t[::1] user_positions = groups.user_positions
    cdef const uint32_t[::1] item_positions = groups.item_positions
    cdef const int32_t[::1] n_items = groups.n_items
    cdef int n_bits = groups.n_bits, n_key_bits = groups.n_key_bits
    cdef int strip_bits = groups.strip_bits
    cdef uint32_t in_strip = (<uint32_t>1 << strip_bits) - 1
    cdef uint32_t in_hash = <uint32_t>((<uint64_t>1 << n_bits) - 1)
    cdef int n_passes = (n_key_bits + DIGIT_BITS - 1) // DIGIT_BITS
    cdef int digit_bits = (n_key_bits + n_passes - 1) // n_passes
    cdef int n_digits = 1 << digit_bits
    cdef uint16_t[:, ::1] all_pairs = out.pairs
    cdef uint8_t[::1] all_codes8 = out.codes8
    cdef uint16_t[::1] all_codes16 = out.codes16
    cdef const int64_t[::1] all_tile_starts = out.tile_starts
    cdef uint64_t[:, ::1] all_records = scratch.records
    cdef int32_t[::1] buckets = scratch.buckets
    cdef int64_t[::1] all_cursors = scratch.cursor
    cdef uint32_t[::1] all_old_pairs = scratch.pairs
    cdef uint16_t[::1] all_old_codes = scratch.codes
    cdef floating[::1] all_old_values = scratch.values
    cdef floating[::1] all_old_weights = scratch.weights
    cdef int64_t *cursor = &all_cursors[0]
    cdef int32_t *firsts = &buckets[0]
    cdef uint32_t *old_pairs = &all_old_pairs[0]  # the item's position times 2**16, plus the user's
    cdef uint16_t *old_codes = &all_old_codes[0] if all_old_codes.shape[0] else NULL
    cdef floating *old_values = &all_old_values[0] if all_old_values.shape[0] else NULL
    cdef floating *old_weights = &all_old_weights[0] if all_old_weights.shape[0] else NULL
    cdef uint16_t *pairs
    cdef uint8_t *codes8 = NULL
    cdef uint16_t *codes16 = NULL
    cdef floating *new_values = NULL
    cdef floating *new_weights = NULL
    cdef const uint32_t *users
    cdef const uint32_t *items
    cdef const int32_t *sizes
    cdef const int64_t *tile_starts
    cdef uint64_t *records
    cdef uint64_t *other
    cdef uint64_t *swap
    cdef Py_ssize_t group, tile, n_tiles, side_by_side, t, to, origin, digit
    cdef Py_ssize_t start, size, begin_tile
    cdef uint32_t user, item, key, strip, n_items_here
    cdef int _turn, shift
    with nogil:
        for group in range(begin, end):
            start = starts[group]
            size = starts[group + 1] - start
            n_tiles = first_tiles[group + 1] - first_tiles[group]
            side_by_side = n_item_ranges[group]
            users = &user_positions[first_users[group]]
            items = &item_positions[first_items[group]]
            sizes = &n_items[first_tiles[group]]
            tile_starts = &all_tile_starts[first_tiles[group]]
            pairs = &all_pairs[start, 0]
            if old_values != NULL:
                new_values = &values[start]
            elif all_codes8.shape[0]:
                codes8 = &all_codes8[start]
            else:
                codes16 = &all_codes16[start]
            if old_weights != NULL:
                new_weights = &weights[start]
            for tile in range(n_tiles):
                cursor[tile] = tile_starts[tile] - start
            for t in range(size):
                user = users[pairs[2 * t]]
                item = items[pairs[2 * t + 1]]
                tile = (user >> 16) * side_by_side + (item >> 16)
                to = cursor[tile]
                cursor[tile] = to + 1
                old_pairs[to] = item << 16 | (user & 0xFFFF)
                if new_values != NULL:
                    old_values[to] = new_values[t]
                else:
                    old_codes[to] = codes8[t] if codes8 != NULL else codes16[t]
                if new_weights != NULL:
                    old_weights[to] = new_weights[t]
            begin_tile = 0
            for tile in range(n_tiles):
                size = cursor[tile] - begin_tile
                records = &all_records[0, 0]
                other = &all_records[1, 0]
                n_items_here = <uint32_t>sizes[tile]
                for t in range(size):
                    user = old_pairs[begin_tile + t] & 0xFFFF
                    item = old_pairs[begin_tile + t] >> 16
                    strip = user >> strip_bits
                    key = mix((user & in_strip) * n_items_here + item, in_hash, n_bits // 2)
                    key |= <uint32_t>(<uint64_t>strip << n_bits)
                    records[t] = <uint64_t>key << 32 | <uint64_t>t
                shift = 32
                if size <= FEW:
                    sort_few(records, size)
                else:
                    # A stable radix sort, least significant digit first.
                    for _turn in range(n_passes - 1):
                        count_digits(records, size, shift, digit_bits, firsts)
                        for t in range(size):
                            digit = (records[t] >> shift) & (n_digits - 1)
                            other[firsts[digit]] = records[t]
                            firsts[digit] += 1
                        shift += digit_bits
                        swap = records
                        records = other
                        other = swap
                    count_digits(records, size, shift, digit_bits, firsts)
                for t in range(size):
                    to = begin_tile + t
                    if size > FEW:  # the last pass of the sort
                        digit = (records[t] >> shift) & (n_digits - 1)
                        to = begin_tile + firsts[digit]
                        firsts[digit] += 1
                    origin = begin_tile + <uint32_t>records[t]
                    pairs[2 * to] = <uint16_t>old_pairs[origin]
                    pairs[2 * to + 1] = <uint16_t>(old_pairs[origin] >> 16)
                    if new_values != NULL:
                        new_values[to] = old_values[origin]
                    elif codes8 != NULL:
                        codes8[to] = <uint8_t>old_codes[origin]
                    else:
                        codes16[to] = old_codes[origin]
                    if new_weights != NULL:
                        new_weights[to] = old_weights[origin]
                begin_tile = cursor[tile]
