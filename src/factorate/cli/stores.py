"""The commands on stores of ratings: write one, describe one, and open one to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import factorate as ft
from factorate._store.manifest import NAME
from factorate._utils.byte_sizes import show_size
from factorate._utils.validation import show
from factorate.cli.summaries import to_json

if TYPE_CHECKING:
    from argparse import Namespace

    from numpy.typing import NDArray

NOT_STORED = {  # options of `fit` that need the ratings in memory
    "--test-fraction": "test_fraction",
    "--tune": "tune",
    "--svdpp": "svdpp",
    "--early-stopping": "early_stopping",
}


def is_store(path: str) -> bool:
    """Return whether a path is that of a store of ratings."""
    return Path(path, NAME).is_file()


def open_store(arguments: Namespace) -> ft.RatingStore:
    """Open the store that `fit` is to train on.

    Raises
    ------
    ValueError
        If an option cannot be used with a store.
    """
    given = vars(arguments)
    for flag, name in NOT_STORED.items():
        if given[name]:
            raise ValueError(f"{flag} needs a file of ratings; {arguments.ratings!r} is a store")
    return ft.RatingStore(arguments.ratings, memory=arguments.memory)


def write_store(source: Any, arguments: Namespace, *, verbose: bool) -> None:
    """Write a store from a file, and print its sizes."""
    store = ft.RatingStore.create(
        arguments.output,
        source,
        columns=arguments.columns,
        n_threads=arguments.threads,
        verbose=verbose,
    )
    if arguments.json:
        print(to_json({"store": arguments.output} | _sizes(store)))
    elif not arguments.quiet:
        sizes = f"{len(store):,} ratings, {store.n_users:,} users, {store.n_items:,} items"
        print(f"{arguments.output}: {sizes}, {show_size(store.n_bytes)}")


def describe_store(path: str, as_json: bool) -> None:
    """Print what a store holds."""
    store = ft.RatingStore(path)
    if as_json:
        print(to_json({"store": path} | _sizes(store)))
        return
    low, high = store.rating_range
    rows = {
        "store": f"{path} ({show_size(store.n_bytes)})",
        "ratings": f"{len(store):,} from {low:g} to {high:g}",
        "users": extent(store.users),
        "items": extent(store.items),
    }
    for name, value in rows.items():
        print(f"{name:<7}  {value}")


def extent(ids: NDArray[Any]) -> str:
    """Return the number of ids, with the first and the last of them."""
    return f"{len(ids):,} ({show(ids[0])} … {show(ids[-1])})" if len(ids) else "0"


def _sizes(store: ft.RatingStore) -> dict[str, Any]:
    low, high = store.rating_range
    return {
        "n_bytes": store.n_bytes,
        "n_ratings": len(store),
        "n_users": store.n_users,
        "n_items": store.n_items,
        "minimum": low,
        "maximum": high,
    }
