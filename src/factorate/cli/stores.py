"""The commands on stores of ratings: write, describe or predict one, or open it to train on."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import factorate as ft
from factorate._serving.pair_batches import read_stored_batches
from factorate._serving.result_files import predict_batches
from factorate._serving.stored_rows import look_up_store
from factorate._store.folder import open_folder
from factorate._store.manifest import NAME
from factorate._utils.byte_sizes import show_size
from factorate._utils.validation import show
from factorate.cli.summaries import to_json

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from factorate.base import FactorModel

NOT_STORED = {  # options of `fit` that need the ratings in memory
    "--test-fraction": "test_fraction",
    "--tune": "tune",
    "--svdpp": "svdpp",
}
WEB = re.compile(r"(\w+::)*https?://")
MANIFEST = re.compile(rb'\s*\{\s*"format"\s*:')


def is_store(path: str) -> bool:
    """Return whether a path, or a URL, is that of a store of ratings."""
    with contextlib.suppress(ImportError, OSError):  # the file of a URL is read in another way
        if not WEB.match(path):
            return (open_folder(path) / NAME).is_file()
        if "?" in path:  # the name of a file after a query is part of the query
            return False
        with (open_folder(path) / NAME).open("rb") as file:  # some servers answer for any path
            return MANIFEST.match(file.read(64)) is not None
    return False


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


def predict_store(model: FactorModel, path: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the pairs of a store with their predictions, and their number, batch by batch."""
    fitted, stored = model._require(), ft.RatingStore(path)._stored
    rows = look_up_store(fitted, stored, unknown="warn", stacklevel=1)
    batches = read_stored_batches(stored, *rows)
    return predict_batches(fitted, batches, clip=model.clip, n_threads=model.n_threads)


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
