"""Read files of ratings as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.columns import read_columns
from factorate._input.files import InputFile
from factorate._input.id_column import Encoded
from factorate._input.rating_values import read_values
from factorate._training.settings import check_columns

if TYPE_CHECKING:
    import os
    from typing import IO

    from numpy.typing import NDArray

    from factorate._input.column_names import Names


def read_ratings(
    source: str | os.PathLike[str] | IO[Any],
    *,
    columns: Names | None = None,
    sep: str | None = None,
    header: bool | None = None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.floating[Any]]]:
    r"""Read ratings from a file, a folder, an archive, a URL or standard input.

    `MatrixFactorization.fit` and the other methods read the same files when they are given the
    path. Use this function to choose the separator or the header instead of detecting them, or to
    split or change the ratings.

    Parameters
    ----------
    source : str, path-like or file object
        What to read: the path of a file, where ``~`` is the home folder; a folder or a glob such as
        ``"ratings/*.parquet"``, whose files are read in the order of their names; ``"-"``, standard
        input; a URL, which needs fsspec; or an open file, binary or text.
    columns : tuple of str or int, default=None
        Names or numbers, from 0, of the columns of users, items and ratings. None recognizes common
        names, and otherwise takes columns in the order user, item, rating.
    sep : str, default=None
        Text between two fields of a text file, such as ``"::"``. None detects a tab, ``::``, a
        semicolon, a comma, ``|`` or a blank.
    header : bool, default=None
        Whether the first line of a text file holds the names of the columns. None detects it.

    Returns
    -------
    users, items : ndarray of shape (n_ratings,)
        Ids: integers if all are written as integers, text otherwise; from Parquet, Arrow and JSON
        files, in their type there.
    ratings : ndarray of shape (n_ratings,)
        Ratings, float64.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If the file has a format that is not read, is damaged, or a line is not a rating; the
        message names the format, or the line and the value.
    FileNotFoundError
        If there is no such file.
    ImportError
        If pyarrow, or fsspec for a URL, is not installed.

    See Also
    --------
    factorate.datasets.load_movielens : Download MovieLens ratings.

    Notes
    -----
    The formats are text with any separator, JSON lines, Parquet and Arrow IPC (Feather), all of
    them also compressed with gzip, bzip2, xz, zstd or zip. They are recognized by their first
    bytes. Text is UTF-8, or UTF-16 with a byte order mark. What was detected is logged as INFO by
    the logger "factorate".

    Examples
    --------
    >>> import io
    >>> import factorate as ft
    >>> file = io.StringIO("196\t242\t3\t881250949\n186\t302\t4\t891717742\n")
    >>> users, items, ratings = ft.read_ratings(file)
    >>> users, items, ratings
    (array([196, 186]), array([242, 302]), array([3., 4.]))
    """
    file = InputFile(source, sep=sep, header=header)
    found = read_columns(file, names=check_columns(columns))
    users, items = map(_decode, (found.user_ids, found.item_ids))
    return users, items, read_values(found.ratings, np.dtype(np.float64))


def _decode(ids: Any) -> NDArray[Any]:
    return ids.distinct[ids.indices] if isinstance(ids, Encoded) else np.asarray(ids)
