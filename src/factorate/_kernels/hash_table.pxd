"""A hash table of finite numbers: open addressing with linear probing.

The number of slots is a power of two, and some are always empty. The key of a number is the bits of
its float64, so that one table serves both dtypes; 0.0 and -0.0 have the same key.

The slot of a key is the highest bits of its product with a random odd number (Dietzfelbinger,
Hagerup, Katajainen and Penttonen, "A Reliable Randomized Algorithm for the Closest-Pair Problem",
Journal of Algorithms 25(1), 1997, section 2.2), so that no input has many equal slots by design.
"""

from libc.stdint cimport uint64_t

cdef union Number:
    double value
    uint64_t bits

cdef inline uint64_t empty_key() noexcept nogil:
    return ~<uint64_t>0  # the bits of a NaN


cdef inline uint64_t key_of(double value) noexcept nogil:
    cdef Number number
    number.value = value + 0.0  # -0.0 becomes 0.0
    return number.bits


cdef inline Py_ssize_t find_slot(const uint64_t *keys, Py_ssize_t n_slots, uint64_t multiplier,
                                 int shift, uint64_t key) noexcept nogil:
    """Return the slot of a key, or the empty slot where it belongs; `shift` is 64 - log2(n_slots).
    """
    cdef Py_ssize_t slot = <Py_ssize_t>(((key ^ (key >> 32)) * multiplier) >> shift)
    while keys[slot] != key and keys[slot] != empty_key():
        slot = (slot + 1) & (n_slots - 1)
    return slot
