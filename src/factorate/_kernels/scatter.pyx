"""The kernel: counting sorts that bring ratings into the order they are visited in, or by user.

Loops and nothing else: Python allocates, and raises on what count() reports.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "portable.h" nogil:
    void prefetch "FT_PREFETCH"(const void *address)

cdef enum:
    AHEAD = 16  # ratings of a tile between a prefetch and the store: a cache line of them
    DIGIT_BITS = 11
    N_DIGITS = 2048


def count(const int32_t[::1] codes, int64_t[::1] counts):
    """Add the number of times each code occurs; return where a code is out of range, or -1."""
    cdef Py_ssize_t t, bad = -1
    cdef int32_t n = <int32_t>counts.shape[0]
    with nogil:
        for t in range(codes.shape[0]):
            if codes[t] < 0 or codes[t] >= n:
                bad = t
                break
            counts[codes[t]] += 1
    return bad


def count_tiles(const int32_t[::1] users, const int32_t[::1] items,
                Py_ssize_t begin, Py_ssize_t end,
                const int32_t[::1] user_tile, const int32_t[::1] item_tile,
                const int32_t[:, ::1] tile, int64_t[::1] counts):
    """Add the number of ratings from begin to end in each tile."""
    cdef Py_ssize_t t
    with nogil:
        for t in range(begin, end):
            counts[tile[user_tile[users[t]], item_tile[items[t]]]] += 1


def scatter(const int32_t[::1] users, const int32_t[::1] items, const floating[::1] ratings,
            const floating[::1] weights, Py_ssize_t begin, Py_ssize_t end,
            const int32_t[::1] user_place, const int32_t[::1] item_place,
            const int32_t[::1] user_tile, const int32_t[::1] item_tile,
            const int32_t[:, ::1] tile, int64_t[::1] cursor,
            int32_t[::1] out_users, int32_t[::1] out_items, floating[::1] out_ratings,
            floating[::1] out_weights):
    """Write the ratings from begin to end to their tiles, rows as places.

    The cursor holds where the next rating of each tile goes, and moves. Weights may be empty. The
    other arrays that are written go on for AHEAD entries, which are prefetched and not written:
    hundreds of tiles are more streams than a processor follows by itself.
    """
    cdef Py_ssize_t t
    cdef int32_t k
    cdef int64_t to
    with nogil:
        for t in range(begin, end):
            k = tile[user_tile[users[t]], item_tile[items[t]]]
            to = cursor[k]
            cursor[k] = to + 1
            prefetch(&out_users[to] + AHEAD)
            prefetch(&out_items[to] + AHEAD)
            prefetch(&out_ratings[to] + AHEAD)
            out_users[to] = user_place[users[t]]
            out_items[to] = item_place[items[t]]
            out_ratings[to] = ratings[t]
            if weights.shape[0]:
                out_weights[to] = weights[t]


def group(const int32_t[::1] keys, const int32_t[::1] values, int64_t[::1] cursor,
          int32_t[::1] out):
    """Write each value to where the cursor of its key stands, and move the cursor."""
    cdef Py_ssize_t t
    with nogil:
        for t in range(keys.shape[0]):
            out[cursor[keys[t]]] = values[t]
            cursor[keys[t]] += 1


def regroup(const int32_t[::1] users_by_item, const int64_t[::1] item_starts,
            const int64_t[::1] user_starts, int64_t[::1] user_ends, int32_t[::1] out):
    """Write the items of each user, ascending and without repetition, from user_starts on.

    The ends begin as the starts of the users, and move.
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
    """Copy the first values of each group, as many as fit between the packed starts."""
    cdef Py_ssize_t g, t
    with nogil:
        for g in range(starts.shape[0] - 1):
            for t in range(packed_starts[g + 1] - packed_starts[g]):
                out[packed_starts[g] + t] = values[starts[g] + t]


cdef inline uint64_t mix(uint64_t x, int n_bits) noexcept nogil:
    # Odd factors and xor-shifts are bijections of n_bits-bit numbers: pairs get distinct keys.
    cdef uint64_t mask = (<uint64_t>1 << n_bits) - 1
    x = (x * <uint64_t>0x9E3779B97F4A7C15) & mask
    x ^= x >> (n_bits // 2)
    x = (x * <uint64_t>0xBF58476D1CE4E5B9) & mask
    return x ^ (x >> (n_bits // 2))


def shuffle_tiles(const int64_t[::1] starts, Py_ssize_t begin, Py_ssize_t end,
                  const int32_t[::1] first_user,
                  const int32_t[::1] first_item, const int32_t[::1] n_items, int n_bits,
                  int32_t[::1] users, int32_t[::1] items, floating[::1] ratings,
                  floating[::1] weights, uint64_t[:, ::1] keys, int32_t[:, ::1] origins,
                  int32_t[:, ::1] old_rows, floating[:, ::1] old_values):
    """Sort the tiles from begin to end, each by a hash of (user, item) without collisions.

    Weights may be empty. The last four arguments are scratch as long as the largest tile. An LSD
    radix sort, so ratings of one pair keep their order.
    """
    cdef Py_ssize_t k, t, size, start, source, turn, shift, digit
    cdef uint64_t place
    cdef int64_t total, here
    cdef int64_t[N_DIGITS] bucket
    with nogil:
        for k in range(begin, end):
            start = starts[k]
            size = starts[k + 1] - start
            for t in range(size):
                old_rows[0, t] = users[start + t]
                old_rows[1, t] = items[start + t]
                old_values[0, t] = ratings[start + t]
                if weights.shape[0]:
                    old_values[1, t] = weights[start + t]
                place = <uint64_t>(users[start + t] - first_user[k]) * <uint64_t>n_items[k]
                place += <uint64_t>(items[start + t] - first_item[k])
                keys[0, t] = mix(place, n_bits)
                origins[0, t] = <int32_t>t
            source = 0
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
            for t in range(size):
                users[start + t] = old_rows[0, origins[source, t]]
                items[start + t] = old_rows[1, origins[source, t]]
                ratings[start + t] = old_values[0, origins[source, t]]
                if weights.shape[0]:
                    weights[start + t] = old_values[1, origins[source, t]]
