"""Example ratings: the textbook's matrix, synthetic ratings of any size, and MovieLens."""

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

    from factorate._utils.types import Doubles

logger: logging.Logger = logging.getLogger("factorate")

MEAN = 3.5
BIAS_SPREAD = 0.3
CHUNK = 1 << 20


class Archive(NamedTuple):
    """A zip file of GroupLens, and which of its members holds the ratings."""

    file: str
    sha256: str
    member: str
    delimiter: bytes
    readme: str
    header_lines: int = 0


GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
MOVIELENS = {
    "100k": Archive(
        file="ml-100k.zip",
        sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        member="ml-100k/u.data",
        delimiter=b"\t",
        readme="ml-100k-README.txt",
    ),
    "1m": Archive(
        file="ml-1m.zip",
        sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        member="ml-1m/ratings.dat",
        delimiter=b"::",
        readme="ml-1m-README.txt",
    ),
    "10m": Archive(
        file="ml-10m.zip",
        sha256="813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862",
        member="ml-10M100K/ratings.dat",
        delimiter=b"::",
        readme="ml-10m-README.html",
    ),
    "25m": Archive(
        file="ml-25m.zip",
        sha256="8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
        member="ml-25m/ratings.csv",
        delimiter=b",",
        header_lines=1,
        readme="ml-25m-README.html",
    ),
    "latest-small": Archive(
        file="ml-latest-small.zip",
        sha256="696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        member="ml-latest-small/ratings.csv",
        delimiter=b",",
        header_lines=1,
        readme="ml-latest-small-README.html",
    ),
}
TRIES = 3
TIMEOUT_SECONDS = 30


def textbook() -> tuple[Doubles, Doubles, Doubles]:
    """Return a 6 × 4 rating matrix and initial values of three factors.

    Returns
    -------
    R : ndarray of shape (6, 4)
        Ratings from 1 to 5; 0 where a rating is missing.
    P : ndarray of shape (6, 3)
        Initial factors of the users.
    Q : ndarray of shape (4, 3)
        Initial factors of the items.

    See Also
    --------
    factorate.matrix_factorization : Factorize the matrix.

    Notes
    -----
    From these initial values, :func:`factorate.matrix_factorization` with its default settings
    reproduces every observed rating to within 0.2.

    Examples
    --------
    >>> R, P, Q = textbook()
    >>> R[0]
    array([5., 3., 0., 1.])
    """
    R = [[5, 3, 0, 1], [4, 0, 0, 1], [1, 1, 0, 5], [1, 0, 0, 4], [0, 1, 5, 4], [2, 1, 3, 0]]
    P = [
        [0.33, 0.99, 0.32],
        [0.79, 0.87, 0.39],
        [0.44, 0.37, 0.11],
        [0.48, 0.24, 0.26],
        [0.18, 0.19, 0.81],
        [0.42, 0.26, 0.59],
    ]
    Q = [[0.6, 0.65, 0.91], [0.15, 0.37, 0.28], [0.02, 0.18, 0.39], [0.39, 0.62, 0.45]]
    return np.array(R, np.float64), np.array(P), np.array(Q)


def synthetic(
    n_ratings: int = 1_000_000,
    n_users: int = 5_000,
    n_items: int = 2_000,
    *,
    n_factors: int = 8,
    noise: float = 0.5,
    random_state: int = 0,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Generate ratings that follow the model, with noise of known size.

    ``r = 3.5 + b_u + b_i + p_u · q_i + noise · z``, where z is standard normal. The biases have a
    standard deviation of 0.3 and p_u · q_i has one of 1. The activity of users and the popularity
    of items are skewed, as in real data, and no pair of user and item occurs twice.

    Parameters
    ----------
    n_ratings : int, default=1_000_000
        Number of ratings, at most half of ``n_users * n_items``.
    n_users : int, default=5_000
        Number of users.
    n_items : int, default=2_000
        Number of items.
    n_factors : int, default=8
        True number of factors.
    noise : float, default=0.5
        Standard deviation of the noise, in units of the ratings. It is the lowest expected RMSE on
        unseen ratings that any predictor can reach.
    random_state : int, default=0
        Seed.

    Returns
    -------
    users : ndarray of shape (n_ratings,)
        User ids, int32 from 0 to n_users − 1, in random order.
    items : ndarray of shape (n_ratings,)
        Item ids, int32 from 0 to n_items − 1.
    ratings : ndarray of shape (n_ratings,)
        Ratings, float32.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If an argument is out of range.

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
            f"n_ratings is {n_ratings}, more than half of the {n_users} × {n_items} pairs; use "
            f"fewer ratings, or more users or items"
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
        chunk = slice(first, first + CHUNK)
        u, i = users[chunk], items[chunk]
        exact = MEAN + user_bias[u] + item_bias[i] + np.einsum("nk,nk->n", P[u], Q[i])
        ratings[chunk] = exact + noise * _normal(len(u), random_state, 4, first)
    return users, items, ratings


def load_movielens(
    name: str = "latest-small",
    *,
    timestamps: bool = False,
    folder: str | os.PathLike[str] | None = None,
    verbose: bool = False,
) -> tuple[NDArray[Any], ...]:
    """Load MovieLens ratings, downloading them from GroupLens on first use.

    The download needs pooch: ``pip install 'factorate[datasets]'``.

    Parameters
    ----------
    name : str, default="latest-small"
        Which data set: "100k", "1m", "10m", "25m" or "latest-small" (100,836 ratings, as of 2018).
    timestamps : bool, default=False
        Whether to return the times of the ratings as well.
    folder : path-like or None, default=None
        Folder of the downloaded file. None is the user's cache folder.
    verbose : bool, default=False
        Whether to show a progress bar during the download.

    Returns
    -------
    users : ndarray of shape (n_ratings,)
        User ids of GroupLens, int32.
    items : ndarray of shape (n_ratings,)
        Item ids of GroupLens, int32.
    ratings : ndarray of shape (n_ratings,)
        Ratings, float32: 1 to 5 in "100k" and "1m", 0.5 to 5 in the others.
    timestamps : ndarray of shape (n_ratings,)
        Times of the ratings, int64, in seconds since 1970. Only with ``timestamps=True``.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If `name` is not the name of a data set.
    ImportError
        If pooch is not installed.
    OSError
        If the download fails three times, or the file does not have the expected SHA-256.

    Notes
    -----
    The data [1]_ belong to GroupLens, University of Minnesota. A download logs a link to the terms
    of use.

    References
    ----------
    .. [1] F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM
       Transactions on Interactive Intelligent Systems 5(4), 2015.

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
    # Reading the member into memory writes no path that the archive names.
    with zipfile.ZipFile(_download(archive, folder, verbose)) as file:
        text = file.read(archive.member)
    dtype = [("user", "i4"), ("item", "i4"), ("rating", "f4"), ("timestamp", "i8")]
    lines = io.BytesIO(text.replace(archive.delimiter, b","))
    table = np.loadtxt(lines, dtype, delimiter=",", skiprows=archive.header_lines, ndmin=1)
    wanted = [field for field, _ in dtype][: 4 if timestamps else 3]
    return tuple(np.ascontiguousarray(table[field]) for field in wanted)


def _download(archive: Archive, folder: str | os.PathLike[str] | None, verbose: bool) -> Path:
    """Return the path of an archive with the expected checksum, downloading it if needed."""
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
            f"cannot download {GROUPLENS}{archive.file}: {error}. Try again later, or put a copy "
            f"with the expected SHA-256 into {store.abspath}"
        ) from error
    if _modified(path) != before:
        readme = f"{GROUPLENS}{archive.readme}"
        logger.warning(
            "%s is by GroupLens, University of Minnesota, whose terms require acknowledgement, and "
            "permission for commercial use: %s",
            archive.file,
            readme,
        )
    return path


def _modified(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _normal(n: int, seed: int, *purpose: int) -> Doubles:
    return np.random.Generator(stream(seed, *purpose)).standard_normal(n)


def _skewed_pairs(n: int, n_users: int, n_items: int, seed: int) -> NDArray[np.int64]:
    """Draw `n` distinct pairs, encoded as user × n_items + item, in random order."""
    # The squares of uniform numbers are densest near 0: low rows are the most frequent.
    pairs = np.empty(0, np.int64)
    bits = stream(seed, 5)
    n_drawn = n + n // 4 + 1000
    while len(pairs) < n:
        users = (uniform(n_drawn, bits) ** 2 * n_users).astype(np.int64)
        items = (uniform(n_drawn, bits) ** 2 * n_items).astype(np.int64)
        # Six times as fast as np.unique, which hashes first.
        pairs = np.concatenate([pairs, users * n_items + items])
        pairs.sort()
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
    order = np.argsort(bits.random_raw(len(pairs)), kind="stable")
    return pairs[order[:n]]
