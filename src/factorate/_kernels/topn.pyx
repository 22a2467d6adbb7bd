"""The kernel: the best n of many scores, proposed by a product of panels or given exactly.

Loops and nothing else: callers have proved every length, range and dtype. The same source is
compiled once for each instruction set.
"""

from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t

cdef extern from "product.h" nogil:
    const int FT_GROUP
    const int FT_PANEL_BYTES
    void ft_product_float(const float *, const float *, Py_ssize_t, float *)
    void ft_product_double(const double *, const double *, Py_ssize_t, double *)

cdef enum:
    STEP = 64  # scores looked at before one of them is

GROUP = FT_GROUP
PANEL_BYTES = FT_PANEL_BYTES


def pack(const int32_t[::1] rows, const floating[:, ::1] factors, const floating[::1] scale,
         const floating[::1] offset, floating[:, :, ::1] panels):
    """Write to each panel the offsets of its rows, then factor by factor their scaled factors.

    Places after the last row have an offset of -inf.
    """
    cdef Py_ssize_t panel, t, k, place, width = panels.shape[2]
    cdef int32_t row
    with nogil:
        for panel in range(panels.shape[0]):
            for t in range(width):
                place = panel * width + t
                if place >= rows.shape[0]:
                    panels[panel, 0, t] = -<floating>INFINITY
                    for k in range(factors.shape[1]):
                        panels[panel, k + 1, t] = 0
                    continue
                row = rows[place]
                panels[panel, 0, t] = offset[row]
                for k in range(factors.shape[1]):
                    panels[panel, k + 1, t] = scale[row] * factors[row, k]


cdef inline bint is_worse(floating score, int32_t code, floating other, int32_t other_code
                          ) noexcept nogil:
    return score < other or (score == other and code > other_code)


cdef void sift_down(floating *scores, int32_t *codes, Py_ssize_t size, floating score,
                    int32_t code) noexcept nogil:
    """Put an entry in place of the root of a heap whose root is the worst."""
    cdef Py_ssize_t here = 0, child
    while True:
        child = 2 * here + 1
        if child >= size:
            break
        if child + 1 < size and is_worse(scores[child + 1], codes[child + 1],
                                         scores[child], codes[child]):
            child += 1
        if not is_worse(scores[child], codes[child], score, code):
            break
        scores[here] = scores[child]
        codes[here] = codes[child]
        here = child
    scores[here] = score
    codes[here] = code


cdef void sift_up(floating *scores, int32_t *codes, Py_ssize_t here, floating score,
                  int32_t code) noexcept nogil:
    """Put an entry at the end of such a heap, and move it to where it belongs."""
    cdef Py_ssize_t parent
    while here > 0:
        parent = (here - 1) // 2
        if not is_worse(score, code, scores[parent], codes[parent]):
            break
        scores[here] = scores[parent]
        codes[here] = codes[parent]
        here = parent
    scores[here] = score
    codes[here] = code


cdef inline bint is_excluded(int32_t code, const int32_t[::1] excluded, int64_t *begin, int64_t end
                           ) noexcept nogil:
    while begin[0] < end and excluded[begin[0]] < code:
        begin[0] += 1
    return begin[0] < end and excluded[begin[0]] == code


def propose(const int32_t[::1] rows, const floating[:, ::1] factors,
            const floating[:, :, ::1] panels, const int32_t[::1] candidates,
            int64_t[::1] excluded_begin, const int64_t[::1] excluded_end, const int32_t[::1] excluded,
            const floating[::1] slack,
            floating[:, :, ::1] groups, floating[:, ::1] tile,
            floating[:, ::1] heaps, int32_t[:, ::1] heap_places, int32_t[::1] heap_sizes,
            floating[::1] thresholds,
            floating[:, ::1] scores, int32_t[:, ::1] places, int32_t[::1] sizes):
    """Find, for each row, the places of all candidates that can be among its n best.

    A score is the product of a row and a column of the panels plus its offset, summed in any order;
    the slack is by how much two scores that are off by rounding can change their order. Candidates
    are ascending, as are the excluded ones of each row, from excluded_begin (which moves) to
    excluded_end. A size of -1 says that more were found than places has room for.

    Scratch are the groups, as many as meet a panel before the next one, the tile, and for each row
    the heap of its n best scores and the threshold: the worst of them, less the slack.
    """
    cdef Py_ssize_t n_factors = factors.shape[1], n_places = candidates.shape[0]
    cdef Py_ssize_t n = heaps.shape[1], room = scores.shape[1]
    cdef Py_ssize_t block = groups.shape[0] * FT_GROUP
    cdef Py_ssize_t width = FT_PANEL_BYTES // <Py_ssize_t>sizeof(floating)
    cdef Py_ssize_t turn, first, last, panel, group, u, t, k, query, place, kept
    cdef int hit
    cdef floating score, threshold
    with nogil:
        for query in range(rows.shape[0]):
            thresholds[query] = -<floating>INFINITY
            sizes[query] = heap_sizes[query] = 0
        for turn in range((rows.shape[0] + block - 1) // block):
            first = turn * block
            last = min(first + block, rows.shape[0])
            for u in range(last - first):
                for k in range(n_factors):
                    groups[u // FT_GROUP, k, u % FT_GROUP] = factors[rows[first + u], k]
            for panel in range(panels.shape[0]):
                for group in range((last - first + FT_GROUP - 1) // FT_GROUP):
                    if floating is float:
                        ft_product_float(&groups[group, 0, 0], &panels[panel, 0, 0], n_factors,
                                         &tile[0, 0])
                    else:
                        ft_product_double(&groups[group, 0, 0], &panels[panel, 0, 0], n_factors,
                                          &tile[0, 0])
                    for u in range(min(<Py_ssize_t>FT_GROUP, last - first - group * FT_GROUP)):
                        query = first + group * FT_GROUP + u
                        threshold = thresholds[query]
                        hit = 0
                        for t in range(width):
                            hit |= not tile[u, t] < threshold
                        if not hit or sizes[query] < 0:
                            continue
                        for t in range(width):
                            score = tile[u, t]
                            if score < threshold:
                                continue
                            place = panel * width + t
                            if place >= n_places or is_excluded(
                                    candidates[place], excluded, &excluded_begin[query],
                                    excluded_end[query]):
                                continue
                            if sizes[query] == room:
                                kept = 0
                                for k in range(room):
                                    if not scores[query, k] < threshold:
                                        scores[query, kept] = scores[query, k]
                                        places[query, kept] = places[query, k]
                                        kept += 1
                                sizes[query] = <int32_t>kept
                            if sizes[query] == room or score != score:
                                sizes[query] = -1
                                thresholds[query] = <floating>INFINITY
                                break
                            scores[query, sizes[query]] = score
                            places[query, sizes[query]] = <int32_t>place
                            sizes[query] += 1
                            if heap_sizes[query] < n:
                                sift_up(&heaps[query, 0], &heap_places[query, 0],
                                        heap_sizes[query], score, <int32_t>place)
                                heap_sizes[query] += 1
                            elif score > heaps[query, 0]:
                                sift_down(&heaps[query, 0], &heap_places[query, 0], n, score,
                                          <int32_t>place)
                            if heap_sizes[query] == n:
                                threshold = heaps[query, 0] - slack[query]
                                thresholds[query] = threshold
        for query in range(rows.shape[0]):
            kept = 0
            for k in range(sizes[query]):
                if not scores[query, k] < thresholds[query]:
                    scores[query, kept] = scores[query, k]
                    places[query, kept] = places[query, k]
                    kept += 1
            if sizes[query] >= 0:
                sizes[query] = <int32_t>kept


def select(const floating[::1] scores, const int32_t[::1] codes, const int64_t[::1] starts,
           int64_t[::1] excluded_begin, const int64_t[::1] excluded_end, const int32_t[::1] excluded,
           floating[:, ::1] best_scores, int32_t[:, ::1] best_codes):
    """Write the best entries of each group, best first, equal scores by code; leave other places.

    The codes of a group are ascending, and so are its excluded ones, from excluded_begin (which moves)
    to excluded_end. A score of NaN or -inf is never among the best.
    """
    cdef Py_ssize_t group, turn, t, first, last, size, n = best_scores.shape[1]
    cdef int hit
    cdef floating threshold, score
    cdef int32_t code
    cdef floating *heap
    cdef int32_t *heap_codes
    with nogil:
        for group in range(starts.shape[0] - 1):
            heap = &best_scores[group, 0]
            heap_codes = &best_codes[group, 0]
            size = 0
            threshold = -<floating>INFINITY
            for turn in range((starts[group + 1] - starts[group] + STEP - 1) // STEP):
                first = starts[group] + turn * STEP
                last = min(first + STEP, <Py_ssize_t>starts[group + 1])
                hit = 0
                for t in range(first, last):
                    hit |= scores[t] > threshold
                if not hit:
                    continue
                for t in range(first, last):
                    # Of equal scores the lower code came first.
                    if not scores[t] > threshold:
                        continue
                    if is_excluded(codes[t], excluded, &excluded_begin[group], excluded_end[group]):
                        continue
                    if size < n:
                        sift_up(heap, heap_codes, size, scores[t], codes[t])
                        size += 1
                    else:
                        sift_down(heap, heap_codes, size, scores[t], codes[t])
                    if size == n:
                        threshold = heap[0]
            while size > 1:
                size -= 1
                score = heap[size]
                code = heap_codes[size]
                heap[size] = heap[0]
                heap_codes[size] = heap_codes[0]
                sift_down(heap, heap_codes, size, score, code)
