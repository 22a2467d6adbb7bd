"""Kernel of the rating schedule: sort ratings into tiles, and shuffle each tile.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from factorate._kernels.hash_table cimport find_slot, key_of
from factorate._kernels.rows cimport LINE, prefetch


def count(const int32_t[::1] user_rows, const int32_t[::1] item_rows, layout, int64_t[::1] counts):
    """Add the number of ratings in each tile to `counts`; tiles are numbered in row-major order.

    The layout holds `user_cells` and `item_cells`. The sum of those of a user and an item is the
    number of their tile, times 2**32, plus the pair of their positions in it: the user's times
    2**16, plus the item's.
    """
    cdef const int64_t[::1] user_cells = layout.user_cells
    cdef const int64_t[::1] item_cells = layout.item_cells
    cdef Py_ssize_t t
    with nogil:
        for t in range(user_rows.shape[0]):
            counts[(user_cells[user_rows[t]] + item_cells[item_rows[t]]) >> 32] += 1


def scatter(const int32_t[::1] user_rows, const int32_t[::1] item_rows, const floating[::1] values,
            const floating[::1] weights, layout, table, int64_t[::1] cursor, out):
    """Write each rating to its tile, with positions in the tile instead of rows.

    The layout is that of `count`. The cursor, which is changed, has the index of the next rating of
    each tile. The table of codes has `keys`, `codes` and `shift`. The output arrays are `pairs`,
    one of `codes8`, `codes16` and `values`, and `weights` of `out`; the others are empty.
    """
    cdef const int64_t[::1] user_cells = layout.user_cells
    cdef const int64_t[::1] item_cells = layout.item_cells
    cdef const uint64_t[::1] keys = table.keys
    cdef const uint16_t[::1] codes = table.codes
    cdef int shift = table.shift
    cdef uint16_t[:, ::1] pairs = out.pairs
    cdef uint8_t[::1] codes8 = out.codes8
    cdef uint16_t[::1] codes16 = out.codes16
    cdef floating[::1] out_values = out.values
    cdef floating[::1] out_weights = out.weights
    cdef bint is_raw = out_values.shape[0] > 0, is_short = codes8.shape[0] > 0
    cdef bint is_weighted = weights.shape[0] > 0
    cdef Py_ssize_t t
    cdef int64_t cell, to
    cdef uint16_t code
    with nogil:
        for t in range(user_rows.shape[0]):
            cell = user_cells[user_rows[t]] + item_cells[item_rows[t]]
            to = cursor[cell >> 32]
            cursor[cell >> 32] = to + 1
            # Processors do not prefetch as many streams as there are tiles.
            prefetch(<const char *>&pairs[to, 0] + LINE)
            pairs[to, 0] = <uint16_t>(cell >> 16)
            pairs[to, 1] = <uint16_t>cell
            if is_raw:
                prefetch(<const char *>&out_values[to] + LINE)
                out_values[to] = values[t]
            else:
                code = codes[find_slot(&keys[0], keys.shape[0], shift, key_of(values[t]))]
                if is_short:
                    prefetch(<const char *>&codes8[to] + LINE)
                    codes8[to] = <uint8_t>code
                else:
                    prefetch(<const char *>&codes16[to] + LINE)
                    codes16[to] = code
            if is_weighted:
                out_weights[to] = weights[t]


cdef inline uint64_t mix(uint64_t x, int n_bits) noexcept nogil:
    # Odd factors and xor-shifts are bijections of n_bits-bit numbers, so keys are distinct.
    cdef uint64_t mask = (<uint64_t>1 << n_bits) - 1
    x = (x * <uint64_t>0x9E3779B97F4A7C15) & mask
    x ^= x >> (n_bits // 2)
    x = (x * <uint64_t>0xBF58476D1CE4E5B9) & mask
    return x ^ (x >> (n_bits // 2))


cdef inline void sort_records(uint64_t *records, uint64_t *out, int32_t *buckets, Py_ssize_t size,
                              Py_ssize_t n_buckets, int shift) noexcept nogil:
    """Sort records into `out`, by the bits from `shift` on into buckets, then by insertion."""
    cdef Py_ssize_t t, k, bucket
    cdef int32_t total = 0, here
    cdef uint64_t record
    for bucket in range(n_buckets):
        buckets[bucket] = 0
    for t in range(size):
        buckets[records[t] >> shift] += 1
    for bucket in range(n_buckets):
        here = buckets[bucket]
        buckets[bucket] = total
        total += here
    for t in range(size):
        bucket = records[t] >> shift
        out[buckets[bucket]] = records[t]
        buckets[bucket] += 1
    for t in range(1, size):
        record = out[t]
        k = t
        while k > 0 and out[k - 1] > record:
            out[k] = out[k - 1]
            k -= 1
        out[k] = record


def shuffle(floating[::1] values, floating[::1] weights, out, tiles, Py_ssize_t begin,
            Py_ssize_t end, scratch):
    """Order the ratings of the tiles from begin to end by a hash of their positions, in place.

    The hash has no collisions, so only ratings of the same pair have equal keys; these stay in
    order. The arrays are those of `scatter`. The tiles have the start of each, its number of items,
    and the number of bits of the hash, at most 32: `starts`, `n_items` and `n_bits`. Scratch has
    `records`, two rows, `pairs`, `codes`, `values` and `weights`, as long as the largest tile, and
    `buckets`, as long as the next power of two above that.
    """
    cdef const int64_t[::1] starts = tiles.starts
    cdef const int32_t[::1] n_items = tiles.n_items
    cdef int n_bits = tiles.n_bits
    cdef uint16_t[:, ::1] pairs = out.pairs
    cdef uint8_t[::1] codes8 = out.codes8
    cdef uint16_t[::1] codes16 = out.codes16
    cdef uint64_t[:, ::1] records = scratch.records
    cdef int32_t[::1] buckets = scratch.buckets
    cdef uint16_t[:, ::1] old_pairs = scratch.pairs
    cdef uint16_t[::1] old_codes = scratch.codes
    cdef floating[::1] old_values = scratch.values
    cdef floating[::1] old_weights = scratch.weights
    cdef bint is_raw = values.shape[0] > 0, is_short = codes8.shape[0] > 0
    cdef bint is_weighted = weights.shape[0] > 0
    cdef Py_ssize_t k, t, start, size
    cdef int bucket_bits
    cdef uint64_t cell
    cdef uint32_t origin
    with nogil:
        for k in range(begin, end):
            start = starts[k]
            size = starts[k + 1] - start
            bucket_bits = 0
            while bucket_bits < n_bits and size >> bucket_bits:
                bucket_bits += 1
            for t in range(size):
                cell = <uint64_t>pairs[start + t, 0] * <uint64_t>n_items[k]
                cell += pairs[start + t, 1]
                records[0, t] = mix(cell, n_bits) << 32 | <uint64_t>t
                old_pairs[t, 0] = pairs[start + t, 0]
                old_pairs[t, 1] = pairs[start + t, 1]
                if is_raw:
                    old_values[t] = values[start + t]
                else:
                    old_codes[t] = codes8[start + t] if is_short else codes16[start + t]
                if is_weighted:
                    old_weights[t] = weights[start + t]
            sort_records(&records[0, 0], &records[1, 0], &buckets[0], size,
                         <Py_ssize_t>1 << bucket_bits, 32 + n_bits - bucket_bits)
            for t in range(size):
                origin = <uint32_t>records[1, t]
                pairs[start + t, 0] = old_pairs[origin, 0]
                pairs[start + t, 1] = old_pairs[origin, 1]
                if is_raw:
                    values[start + t] = old_values[origin]
                elif is_short:
                    codes8[start + t] = <uint8_t>old_codes[origin]
                else:
                    codes16[start + t] = old_codes[origin]
                if is_weighted:
                    weights[start + t] = old_weights[origin]
