"""The memory layout of rows of factors, and their prefetching."""

cdef extern from "portable.h" nogil:
    void prefetch "FT_PREFETCH"(const void *address)

cdef extern from "inner_loops.h" nogil:
    enum:
        LANE "FT_LANE"  # rows are padded to a multiple of this many factors
        LINE "FT_LINE"  # bytes of a cache line


cdef inline void prefetch_rows(const void *p, const void *q, Py_ssize_t n_lines) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n_lines):
        prefetch(<const char *>p + k * LINE)
        prefetch(<const char *>q + k * LINE)
