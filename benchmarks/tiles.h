/* The ratings of a schedule, with codes of 8 bits or with values, and the rows that their updates
   change. */
#ifndef TILES_H
#define TILES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint16_t *pairs;
    const uint8_t *codes;
    const float *levels, *values;
    const int64_t *starts;
    const int32_t *first_users, *first_items;
    float *P, *Q, *users, *items;
} tiles;

/* Update once for each rating of some tiles; return the sum of the squared errors. The learning
   rates of the biases are those of the factors. */
double train(const tiles *all, ptrdiff_t tile, ptrdiff_t end, ptrdiff_t n_factors);

#endif
