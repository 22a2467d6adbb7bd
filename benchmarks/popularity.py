"""Compare lists of the highest predicted ratings with lists of the most popular items.

A random tenth of the ratings is held out, and the hit rate at 10 is that of `metrics.ranking`: the
fraction of users whose list of ten items, without those of the training ratings, holds one of their
held-out items. Values are means over seeds 0 to 2, with the default parameters.

Run: python -m benchmarks.popularity [NAME ...]
"""

import argparse
import statistics

import factorate as ft
from benchmarks.accuracy.data import Ratings, read, standard_split

SEEDS = range(3)
NAMES = "ml-100k", "ml-1m", "filmtrust", "ciao", "digital_music", "steam"


def hit_rates(ratings: Ratings, seed: int) -> tuple[float, float]:
    """Return the hit rates of the lists of a model and of the most popular items."""
    training, test = standard_split(ratings, seed)
    model = ft.MatrixFactorization(random_state=seed)
    model.fit(training.columns)
    found = ft.metrics.ranking(model, test.columns, popular=True, unknown="ignore")
    return found["hit_rate"], found["popular_hit_rate"]


def main() -> None:
    """Print a table with a row for each data set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.popularity")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help="data sets")
    names = parser.parse_args().names
    print("| hit rate at 10 | highest predicted ratings | most popular items |")
    print("|---|---:|---:|")
    for name in names:
        ratings = read(name)
        rates = [hit_rates(ratings, seed) for seed in SEEDS]
        by_rating, by_popularity = (
            f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
            for values in zip(*rates, strict=True)
        )
        print(f"| {name} | {by_rating} | {by_popularity} |", flush=True)


if __name__ == "__main__":
    main()
