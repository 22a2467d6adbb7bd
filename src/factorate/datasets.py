"""Ratings to learn with: the textbook's matrix, synthetic ratings of any size, and MovieLens."""

from __future__ import annotations

import io
import logging
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._utils.random_streams import stream, uniform
from factorate._utils.validation import check_count, check_flag, check_number

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

logger = logging.getLogger("factorate")

MEAN = 3.5
BIAS_SPREAD = 0.3
CHUNK = 1 << 20


class Archive(NamedTuple):
    """A file of GroupLens, and the member of it that holds the ratings."""

    file: str
    sha256: str
    member: str
    delimiter: bytes
    header_lines: int
    readme: str


GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
MOVIELENS = {
    "100k": Archive(
        "ml-100k.zip", "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        "ml-100k/u.data", b"\t", 0, "ml-100k-README.txt",
    ),
    "1m": Archive(
        "ml-1m.zip", "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        "ml-1m/ratings.dat", b"::", 0, "ml-1m-README.txt",
    ),
    "10m": Archive(
        "ml-10m.zip", "813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862",
        "ml-10M100K/ratings.dat", b"::", 0, "ml-10m-README.html",
    ),
    "25m": Archive(
        "ml-25m.zip", "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
        "ml-25m/ratings.csv", b",", 1, "ml-25m-README.html",
    ),
    "latest-small": Archive(
        "ml-latest-small.zip", "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        "ml-latest-small/ratings.csv", b",", 1, "ml-latest-small-README.html",
    ),
}  # fmt: skip
TRIES = 3
TIMEOUT_SECONDS = 30


def textbook() -> tuple[Matrix, Matrix, Matrix]:
    """Return the 6 × 4 example and a start with three factors.

    Returns
    -------
    R : ndarray
        Shape (6, 4), 0 where a rating is missing.
    P, Q : ndarray
        Shapes (6, 3) and (4, 3). From here :func:`factorate.matrix_factorization` brings every
        observed entry back to within 0.2.

    Examples
    --------
    >>> R, P, Q = textbook()
    >>> R[0]
    array([5., 3., 0., 1.])
    """
    R = [[5, 3, 0, 1], [4, 0, 0, 1], [1, 1, 0, 5], [1, 0, 0, 4], [0, 1, 5, 4], [2, 1, 3, 0]]
    P = [
        [0.33, 0.99, 0.32], [0.79, 0.87, 0.39], [0.44, 0.37, 0.11],
        [0.48, 0.24, 0.26], [0.18, 0.19, 0.81], [0.42, 0.26, 0.59],
    ]  # fmt: skip
    Q = [[0.6, 0.65, 0.91], [0.15, 0.37, 0.28], [0.02, 0.18, 0.39], [0.39, 0.62, 0.45]]
    return np.array(R, np.float64), np.array(P), np.array(Q)


def synthetic(
    n_ratings: int = 1_000_000,
    n_users: int = 5_000,
    n_items: int = 2_000,
    n_factors: int = 8,
    noise: float = 0.5,
    random_state: int = 0,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Make ratings that follow the model, with a known noise floor.

    r = 3.5 + b_u + b_i + p_u · q_i + noise · z, where z is standard normal, each bias has a
    standard deviation of 0.3, p·q has one of 1, and no pair comes twice. Activity of users and
    popularity of items are skewed, as in real data. No predictor has a lower expected RMSE on
    unseen ratings than `noise`.

    Parameters
    ----------
    n_ratings, n_users, n_items
        How many; at most half of all pairs are rated.
    n_factors
        True number of factors.
    noise
        Standard deviation of the noise, in the unit of the ratings.
    random_state
        Seed.

    Returns
    -------
    users, items : ndarray
        int32 ids below `n_users` and `n_items`, shape (n_ratings,), in random order.
    ratings : ndarray
        float32, shape (n_ratings,).

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.

    Examples
    --------
    >>> users, items, ratings = synthetic(n_ratings=1000, n_users=100, n_items=50)
    >>> len(ratings), ratings.dtype
    (1000, dtype('float32'))
    """
    for name, value in (("n_users", n_users), ("n_items", n_items), ("n_factors", n_factors)):
        check_count(name, value, 1)
    check_count("n_ratings", n_ratings, 1)
    check_count("random_state", random_state, 0)
    check_number("noise", noise, minimum=0)
    if 2 * n_ratings > n_users * n_items:
        raise ValueError(
            f"n_ratings is {n_ratings}, more than half of the {n_users} × {n_items} pairs; ask for "
            f"fewer ratings or more users or items"
        )
    pairs = _skewed_pairs(n_ratings, n_users, n_items, random_state)
    users, items = (rows.astype(np.int32) for rows in np.divmod(pairs, n_items))
    P, Q = (
        _normal(n * n_factors, random_state, side).reshape(n, n_factors) / n_factors**0.25
        for side, n in enumerate((n_users, n_items))
    )
    user_bias, item_bias = (
        BIAS_SPREAD * _normal(n, random_state, side)
        for side, n in enumerate((n_users, n_items), start=2)
    )
    ratings = np.empty(n_ratings, np.float32)
    for first in range(0, n_ratings, CHUNK):
        part = slice(first, first + CHUNK)
        u, i = users[part], items[part]
        exact = MEAN + user_bias[u] + item_bias[i] + np.einsum("nk,nk->n", P[u], Q[i])
        ratings[part] = exact + noise * _normal(len(u), random_state, 4, first)
    return users, items, ratings


def load_movielens(
    name: str = "latest-small",
    *,
    timestamps: bool = False,
    folder: str | os.PathLike[str] | None = None,
    verbose: bool = False,
) -> tuple[NDArray[Any], ...]:
    """Return the ratings of MovieLens, downloaded from GroupLens when they are first asked for.

    The data belong to GroupLens, University of Minnesota, whose terms of use are logged with the
    download (F. Maxwell Harper and Joseph A. Konstan, "The MovieLens Datasets: History and
    Context", ACM TiiS 5(4), 2015). Needs pooch: ``pip install 'factorate[datasets]'``.

    Parameters
    ----------
    name
        "100k", "1m", "10m", "25m" or "latest-small" (100,836 ratings, as of 2018).
    timestamps
        Whether to return when each rating was given, too.
    folder
        Where the file is kept; None for the user's cache.
    verbose
        Whether to show the progress of the download.

    Returns
    -------
    users, items : ndarray
        int32 ids, as GroupLens gives them, shape (n_ratings,).
    ratings : ndarray
        float32, shape (n_ratings,): 1 … 5 in "100k" and "1m", 0.5 … 5 in the others.
    timestamps : ndarray
        int64 seconds since 1970, shape (n_ratings,); only if asked for.

    Raises
    ------
    ValueError
        If there is no such name.
    ImportError
        If pooch is not installed.
    OSError
        If the file cannot be had after three tries, or is not the one whose SHA-256 is known.

    Examples
    --------
    >>> import factorate as ft
    >>> ratings = ft.datasets.load_movielens("1m")  # doctest: +SKIP
    >>> model = ft.MatrixFactorization().fit(ratings)  # doctest: +SKIP
    """
    check_flag("timestamps", timestamps)
    check_flag("verbose", verbose)
    if name not in MOVIELENS:
        raise ValueError(f"name is {name!r}; expected one of {', '.join(map(repr, MOVIELENS))}")
    archive = MOVIELENS[name]
    # The member is read in memory: nothing that the archive names is ever written.
    with zipfile.ZipFile(_download(archive, folder, verbose)) as file:
        text = file.read(archive.member)
    dtype = [("user", "i4"), ("item", "i4"), ("rating", "f4"), ("timestamp", "i8")]
    table = np.loadtxt(
        io.BytesIO(text.replace(archive.delimiter, b",")),
        dtype, delimiter=",", skiprows=archive.header_lines, ndmin=1,
    )  # fmt: skip
    wanted = [field for field, _ in dtype][: 4 if timestamps else 3]
    return tuple(np.ascontiguousarray(table[field]) for field in wanted)


def _download(archive: Archive, folder: str | os.PathLike[str] | None, verbose: bool) -> Path:
    """Return the path of an archive whose checksum is right."""
    try:
        import pooch
        from requests import RequestException
    except ImportError:
        raise ImportError(
            "downloading MovieLens needs pooch: pip install 'factorate[datasets]'"
        ) from None
    store = pooch.create(
        Path(folder) if folder is not None else pooch.os_cache("factorate"),
        base_url=GROUPLENS,
        registry={archive.file: f"sha256:{archive.sha256}"},
        retry_if_failed=TRIES - 1,
    )
    before = _modified(store.abspath / archive.file)
    downloader = pooch.HTTPDownloader(
        progressbar=verbose, chunk_size=CHUNK, timeout=TIMEOUT_SECONDS
    )
    try:
        path = Path(store.fetch(archive.file, downloader=downloader))
    except (ValueError, RequestException) as error:
        raise OSError(
            f"cannot download {GROUPLENS}{archive.file}: {error}. Try again later; a file with "
            f"this SHA-256 put into {store.abspath} is used without a download"
        ) from error
    if _modified(path) != before:
        logger.warning(
            "%s is by GroupLens, University of Minnesota, who ask to be acknowledged and for "
            "permission before any commercial use. The terms: %s%s",
            archive.file, GROUPLENS, archive.readme,
        )  # fmt: skip
    return path


def _modified(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _normal(n: int, seed: int, *purpose: int) -> Matrix:
    """Draw standard normals from raw output by the Box–Muller transform."""
    bits = stream(seed, *purpose)
    half = -(-n // 2)
    radius = np.sqrt(-2 * np.log1p(-uniform(half, bits)))
    angle = 2 * np.pi * uniform(half, bits)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]


def _skewed_pairs(n: int, n_users: int, n_items: int, seed: int) -> NDArray[np.int64]:
    """Draw `n` distinct pairs, numbered row by row, in random order."""
    # The square of a uniform number makes the density of low rows the highest.
    pairs = np.empty(0, np.int64)
    bits = stream(seed, 5)
    n_drawn = n + n // 4 + 1000
    while len(pairs) < n:
        users = (uniform(n_drawn, bits) ** 2 * n_users).astype(np.int64)
        items = (uniform(n_drawn, bits) ** 2 * n_items).astype(np.int64)
        # Sorting in place takes a sixth of the time of np.unique, which hashes first.
        pairs = np.concatenate([pairs, users * n_items + items])
        pairs.sort()
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
    order = np.argsort(bits.random_raw(len(pairs)), kind="stable")
    return pairs[order[:n]]
