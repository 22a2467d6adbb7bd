"""Kernel of the SVD++ terms: sums of item rows for each user, and their updates.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint16_t

from factorate._kernels.rows cimport LANE, LINE, prefetch_rows

cdef extern from "inner_loops.h" nogil:
    void add "ft_add"(void *target, const void *source, Py_ssize_t n)

cdef enum:
    AHEAD = 8  # additions between a prefetch and its use


def add_rows(ratings, Py_ssize_t first_tile, Py_ssize_t end_tile, bint to_items,
             floating[:, ::1] T, const floating[:, ::1] S):
    """Add the row of the item in S to that of the user in T, for each rating of some tiles.

    With `to_items`, add the row of the user in S to that of the item in T. `ratings` has the
    attributes of `PackedRatings`. Rows hold a multiple of plain.PADDING factors.
    """
    cdef Py_ssize_t n_factors = T.shape[1] // LANE * LANE
    cdef Py_ssize_t n_lines = n_factors * <Py_ssize_t>sizeof(floating) // LINE
    cdef const uint16_t[:, ::1] pairs = ratings.pairs
    cdef const int64_t[::1] tile_starts = ratings.tile_starts
    cdef const int32_t[::1] first_users = ratings.first_user_positions
    cdef const int32_t[::1] first_items = ratings.first_item_positions
    cdef const int32_t[::1] targets = first_items if to_items else first_users
    cdef const int32_t[::1] sources = first_users if to_items else first_items
    cdef Py_ssize_t tile, following, t, stop
    cdef int target = 1 if to_items else 0
    with nogil:
        for tile in range(first_tile, end_tile):
            stop = tile_starts[tile + 1]
            for t in range(tile_starts[tile], stop):
                following = tile + (t + AHEAD >= stop)
                prefetch_rows(&T[targets[following] + pairs[t + AHEAD, target], 0],
                              &S[sources[following] + pairs[t + AHEAD, 1 - target], 0], n_lines)
                add(&T[targets[tile] + pairs[t, target], 0],
                    &S[sources[tile] + pairs[t, 1 - target], 0], n_factors)


def combine(floating[:, ::1] P, const floating[:, ::1] own, floating[:, ::1] work,
            const floating[::1] norm, Py_ssize_t start, Py_ssize_t stop):
    """Set the rows of P to own + norm · work, and copy them to `work`, which holds sums before."""
    cdef Py_ssize_t u, k
    with nogil:
        for u in range(start, stop):
            for k in range(P.shape[1]):
                P[u, k] = own[u, k] + norm[u] * work[u, k]
                work[u, k] = P[u, k]


def distribute(const floating[:, ::1] P, floating[:, ::1] own, floating[:, ::1] work,
               const floating[::1] norm, const floating[::1] decay, floating fraction,
               Py_ssize_t start, Py_ssize_t stop):
    """Distribute the change of the rows of P since `combine` between users and items.

    The given fraction of the change, times the norm, is written to `work`, from which `add_rows`
    adds it to the items; the rest is added to the users' own rows, which then decay.
    """
    cdef Py_ssize_t u, k
    cdef floating change
    with nogil:
        for u in range(start, stop):
            for k in range(P.shape[1]):
                change = P[u, k] - work[u, k]
                own[u, k] = decay[u] * (own[u, k] + (1 - fraction) * change)
                work[u, k] = fraction * norm[u] * change
