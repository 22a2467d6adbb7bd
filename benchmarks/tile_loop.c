/* The library's loop over the ratings of some tiles. */
#include "inner_loops.h"
#include "tiles.h"

static ft_tile_rows first_rows(const tiles *all, ptrdiff_t tile, ptrdiff_t n_factors)
{
    ptrdiff_t u = all->first_users[tile], i = all->first_items[tile];
    return (ft_tile_rows){all->P + n_factors * u, all->Q + n_factors * i,
                          all->users + FT_COLUMNS * u, all->items + FT_COLUMNS * i};
}

double train(const tiles *all, ptrdiff_t tile, ptrdiff_t end, ptrdiff_t n_factors)
{
    ft_ratings ratings = {.pairs = all->pairs, .codes8 = all->codes, .levels = all->levels,
                          .values = all->values, .scale = 1};
    double squared = 0;
    for (; tile < end; tile++) {
        ft_tile_rows rows = first_rows(all, tile, n_factors);
        ft_tile_rows next = first_rows(all, tile + 1, n_factors);
        squared += ft_train_tile(all->P, &ratings, all->starts[tile], all->starts[tile + 1], &rows,
                                 &next, n_factors, 1, 1);
    }
    return squared;
}
