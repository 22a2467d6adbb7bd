"""Kernel of top-n lists: the best n of many scores.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t

cdef extern from "inner_loops.h" nogil:
    const int FT_GROUP
    const int FT_PANEL_BYTES
    void product "ft_product"(const void *users, const void *panel, Py_ssize_t n_factors, void *out)

cdef enum:
    STEP = 64  # scores compared with the threshold at a time

GROUP = FT_GROUP
PANEL_BYTES = FT_PANEL_BYTES


def pack(const int32_t[::1] rows, const floating[:, ::1] factors, const floating[::1] scale,
         const floating[::1] offset, floating[:, :, ::1] panels):
    """Write to each panel the offsets of its rows, then their scaled factors, factor by factor.

    Columns of the last panel without a row have an offset of -inf.
    """
    cdef Py_ssize_t panel, t, k, index, width = panels.shape[2]
    cdef int32_t row
    with nogil:
        for panel in range(panels.shape[0]):
            for t in range(width):
                index = panel * width + t
                if index >= rows.shape[0]:
                    panels[panel, 0, t] = -<floating>INFINITY
                    for k in range(factors.shape[1]):
                        panels[panel, k + 1, t] = 0
                    continue
                row = rows[index]
                panels[panel, 0, t] = offset[row]
                for k in range(factors.shape[1]):
                    panels[panel, k + 1, t] = scale[row] * factors[row, k]


# A heap contains the best entries so far, with the worst of them at its root. Of equal scores, that
# with the lower row is better.

cdef inline bint is_worse(floating score, int32_t row, floating other, int32_t other_row
                          ) noexcept nogil:
    return score < other or (score == other and row > other_row)


cdef void replace_root(floating *scores, int32_t *rows, Py_ssize_t size, floating score, int32_t row
                       ) noexcept nogil:
    cdef Py_ssize_t here = 0, child
    while True:
        child = 2 * here + 1
        if child >= size:
            break
        if child + 1 < size and is_worse(scores[child + 1], rows[child + 1],
                                         scores[child], rows[child]):
            child += 1
        if not is_worse(scores[child], rows[child], score, row):
            break
        scores[here] = scores[child]
        rows[here] = rows[child]
        here = child
    scores[here] = score
    rows[here] = row


cdef void insert(floating *scores, int32_t *rows, Py_ssize_t size, floating score, int32_t row
                 ) noexcept nogil:
    cdef Py_ssize_t here = size, parent
    while here > 0:
        parent = (here - 1) // 2
        if not is_worse(score, row, scores[parent], rows[parent]):
            break
        scores[here] = scores[parent]
        rows[here] = rows[parent]
        here = parent
    scores[here] = score
    rows[here] = row


cdef void sort(floating *scores, int32_t *rows, Py_ssize_t size) noexcept nogil:
    """Sort a heap in place, best first."""
    cdef floating score
    cdef int32_t row
    while size > 1:
        size -= 1
        score = scores[size]
        row = rows[size]
        scores[size] = scores[0]
        rows[size] = rows[0]
        replace_root(scores, rows, size, score, row)


cdef inline bint is_excluded(int32_t row, const int32_t[::1] excluded, int64_t *begin, int64_t end
                             ) noexcept nogil:
    """Return whether a row is excluded. Rows ascend, so `begin` skips those below it for good."""
    while begin[0] < end and excluded[begin[0]] < row:
        begin[0] += 1
    return begin[0] < end and excluded[begin[0]] == row


cdef inline bint any_reaches(const floating *scores, Py_ssize_t n, floating threshold
                             ) noexcept nogil:
    cdef Py_ssize_t t
    cdef int found = 0
    for t in range(n):
        found |= not scores[t] < threshold  # not >=, so that NaN is found
    return found


cdef int32_t compact(floating *scores, int32_t *indices, int32_t size, floating threshold
                     ) noexcept nogil:
    """Drop the entries below the threshold, in place; return the number of the others."""
    cdef int32_t k, n_left = 0
    for k in range(size):
        if not scores[k] < threshold:
            scores[n_left] = scores[k]
            indices[n_left] = indices[k]
            n_left += 1
    return n_left


cdef inline bint append(floating *scores, int32_t *indices, int32_t *size, Py_ssize_t capacity,
                        floating score, int32_t index, floating threshold) noexcept nogil:
    """Append an entry to a shortlist; return whether it has space and the score is a number.

    A full list drops its entries below the threshold first.
    """
    if size[0] == capacity:
        size[0] = compact(scores, indices, size[0], threshold)
    if size[0] == capacity or score != score:  # NaN differs from itself
        return False
    scores[size[0]] = score
    indices[size[0]] = index
    size[0] += 1
    return True


cdef inline void push(floating *heap, int32_t *heap_indices, int32_t *size, Py_ssize_t capacity,
                      floating score, int32_t index) noexcept nogil:
    """Add an entry to a heap of the best, in place of the worst if the heap is full."""
    if size[0] < capacity:
        insert(heap, heap_indices, size[0], score, index)
        size[0] += 1
    elif score > heap[0]:
        replace_root(heap, heap_indices, capacity, score, index)


def propose(const int32_t[::1] rows, const floating[:, ::1] factors,
            const floating[:, :, ::1] panels, const int32_t[::1] candidates, excluded,
            const floating[::1] slack, scratch, shortlist):
    """Find, for each row, the indices of all candidates that may be among its n best.

    A score is an offset plus the product of a row of `factors` and a column of the panels, summed
    in any order. The slack is the largest difference between two scores whose order rounding can
    change. Candidates ascend.

    `excluded`, `scratch` and `shortlist` are objects with arrays. Excluded: the rows to exclude for
    each row, ascending, are ``rows[begin:end]``; `begin` is changed. Scratch: `groups`, the factors
    of the groups of rows that are multiplied by a panel; `group_scores`, the scores of one group;
    and for each row the heap of its n best scores, and the threshold, the worst of them minus the
    slack.
    Shortlist: for each row the `scores`, the `candidate_indices` and their number, `sizes`; -1 if
    they exceed the capacity.
    """
    cdef int64_t[::1] excluded_begin = excluded.begin
    cdef const int64_t[::1] excluded_end = excluded.end
    cdef const int32_t[::1] excluded_rows = excluded.rows
    cdef floating[:, :, ::1] groups = scratch.groups
    cdef floating[:, ::1] group_scores = scratch.group_scores
    cdef floating[:, ::1] heaps = scratch.heaps
    cdef int32_t[:, ::1] heap_indices = scratch.heap_indices
    cdef int32_t[::1] heap_sizes = scratch.heap_sizes
    cdef floating[::1] thresholds = scratch.thresholds
    cdef floating[:, ::1] scores = shortlist.scores
    cdef int32_t[:, ::1] candidate_indices = shortlist.candidate_indices
    cdef int32_t[::1] sizes = shortlist.sizes
    cdef Py_ssize_t n_factors = factors.shape[1], n = heaps.shape[1], capacity = scores.shape[1]
    cdef Py_ssize_t n_block_queries = groups.shape[0] * FT_GROUP
    cdef Py_ssize_t width = FT_PANEL_BYTES // <Py_ssize_t>sizeof(floating)
    cdef Py_ssize_t first, last, panel, query, u, t, k
    cdef int32_t index
    with nogil:
        for query in range(rows.shape[0]):
            thresholds[query] = -<floating>INFINITY
            sizes[query] = heap_sizes[query] = 0
        first = 0
        while first < rows.shape[0]:
            last = min(first + n_block_queries, rows.shape[0])
            for query in range(first, last):
                u = query - first
                for k in range(n_factors):
                    groups[u // FT_GROUP, k, u % FT_GROUP] = factors[rows[query], k]
            for panel in range(panels.shape[0]):
                for query in range(first, last):
                    u = (query - first) % FT_GROUP
                    if u == 0:
                        product(&groups[(query - first) // FT_GROUP, 0, 0], &panels[panel, 0, 0],
                                n_factors, &group_scores[0, 0])
                    if sizes[query] < 0 or not any_reaches(&group_scores[u, 0], width,
                                                           thresholds[query]):
                        continue
                    for t in range(width):
                        # NaN is not below the threshold.
                        if (group_scores[u, t] < thresholds[query]
                                or panel * width + t >= candidates.shape[0]):
                            continue
                        index = <int32_t>(panel * width + t)
                        if is_excluded(candidates[index], excluded_rows, &excluded_begin[query],
                                       excluded_end[query]):
                            continue
                        if not append(&scores[query, 0], &candidate_indices[query, 0],
                                      &sizes[query], capacity, group_scores[u, t], index,
                                      thresholds[query]):
                            sizes[query] = -1
                            break
                        push(&heaps[query, 0], &heap_indices[query, 0], &heap_sizes[query], n,
                             group_scores[u, t], index)
                        if heap_sizes[query] == n:
                            thresholds[query] = heaps[query, 0] - slack[query]
            first = last
        for query in range(rows.shape[0]):
            if sizes[query] >= 0:
                sizes[query] = compact(&scores[query, 0], &candidate_indices[query, 0],
                                       sizes[query], thresholds[query])


def select(const floating[::1] scores, const int32_t[::1] rows, const int64_t[::1] starts, excluded,
           floating[:, ::1] best_scores, int32_t[:, ::1] best_rows):
    """Write the best entries of each group, best first, equal scores by row.

    The rest of the output does not change. The rows of a group ascend. The rows to exclude,
    ascending, are ``excluded.rows[begin:end]``; `begin` is changed. A score of NaN or -inf is never
    among the best.
    """
    cdef int64_t[::1] excluded_begin = excluded.begin
    cdef const int64_t[::1] excluded_end = excluded.end
    cdef const int32_t[::1] excluded_rows = excluded.rows
    cdef Py_ssize_t group, t, first, last, size, n = best_scores.shape[1]
    cdef int found
    cdef floating threshold
    cdef floating *heap
    cdef int32_t *heap_rows
    with nogil:
        for group in range(starts.shape[0] - 1):
            heap = &best_scores[group, 0]
            heap_rows = &best_rows[group, 0]
            size = 0
            threshold = -<floating>INFINITY
            first = starts[group]
            while first < starts[group + 1]:
                last = min(first + STEP, <Py_ssize_t>starts[group + 1])
                found = 0
                for t in range(first, last):
                    found |= scores[t] > threshold  # NaN is not
                for t in range(first, last if found else first):
                    # Of equal scores the lower row came first.
                    if not scores[t] > threshold or is_excluded(
                            rows[t], excluded_rows, &excluded_begin[group], excluded_end[group]):
                        continue
                    if size < n:
                        insert(heap, heap_rows, size, scores[t], rows[t])
                        size += 1
                    else:
                        replace_root(heap, heap_rows, n, scores[t], rows[t])
                    if size == n:
                        threshold = heap[0]
                first = last
            sort(heap, heap_rows, size)
