"""RatingStore: ratings on disk, for what does not fit in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from factorate._store.batches import open_batches
from factorate._store.folder import file_sizes, open_folder
from factorate._store.ingest import ingest
from factorate._store.stored_ratings import open_stored
from factorate._training.progress import open_bar
from factorate._training.settings import check_columns
from factorate._utils.byte_sizes import read_size
from factorate._utils.cores import count_threads
from factorate._utils.validation import check_flag

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from factorate._input.column_names import Names
    from factorate._store.folder import Folder
    from factorate._utils.types import Doubles


class RatingStore:
    """Ratings on disk, to train on more ratings than fit in memory.

    A store is a folder that `RatingStore.create` writes. `MatrixFactorization.fit` trains on it
    with the same result, bit for bit, as on the same ratings in memory, and
    `MatrixFactorization.evaluate` compares predictions with it. For
    `ImplicitMatrixFactorization.fit`, the ratings are the counts of interactions.

    Parameters
    ----------
    path : str or path-like
        Path of the folder, or its URL, which fsspec opens.
    memory : int, str or None, default=None
        Maximum memory for `fit`: bytes, or text such as "2GB". It is for the factors with their
        copies, the ids and the ratings being read, and comes on top of that of Python and the
        imported libraries. A fit that needs more raises ValueError before it begins. With None, a
        fit takes what it needs, and up to 512 MB to sort the ratings. It does not limit
        `partial_fit`, which needs about three copies of the factors.
    scratch : str, path-like or None, default=None
        Folder for the temporary files of a fit, up to 16 bytes for each rating, 24 for each
        interaction, or 28 if there are more than 65,536 distinct ratings, which disappear with the
        process. None is the folder of the store, or that of the system for temporary files if the
        store is behind a URL.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    RatingStoreError
        If it is not a store, its manifest is damaged, or a later version wrote it.

    See Also
    --------
    MatrixFactorization.fit : Train on a store of ratings.
    ImplicitMatrixFactorization.fit : Train on a store of interactions.
    read_ratings : Read ratings into memory.

    Notes
    -----
    Opening a store reads its manifest alone. A rating takes 9 bytes, 10 if there are more than 256
    distinct ratings, and 16 if there are more than 65,536. The ids are stored once.

    Examples
    --------
    >>> import factorate as ft, tempfile, pathlib
    >>> users, items, ratings = [1, 1, 2, 3], ["tea", "jam", "tea", "rye"], [5, 2, 4, 1]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "ratings.store")
    ...     store = ft.RatingStore.create(path, (users, items, ratings))
    ...     model = ft.MatrixFactorization(2, random_state=0).fit(store)
    >>> len(store), store.n_users, store.n_items
    (4, 3, 3)
    >>> same = ft.MatrixFactorization(2, random_state=0).fit((users, items, ratings))
    >>> bool((same.user_factors_ == model.user_factors_).all())
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        memory: int | str | None = None,
        scratch: str | os.PathLike[str] | None = None,
    ) -> None:
        self._folder = open_folder(path)
        self._memory = None if memory is None else read_size("memory", memory)
        self._scratch = _scratch_of(self._folder) if scratch is None else Path(scratch)
        self._stored = open_stored(self._folder)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        source: Any,
        *,
        columns: Names | None = None,
        n_threads: int | None = None,
        verbose: bool = False,
    ) -> Self:
        """Write ratings of any number to a new store, and open it.

        The store appears at `path` when it is complete. Until then it is at a path that ends in
        ".partial"; after a call that was killed, the next call removes what is there. Behind a URL,
        the files are at `path` from the beginning, and are a store once the manifest is there,
        which is written last.

        Parameters
        ----------
        path : str or path-like
            Path of the folder to write, which must not exist; or its URL, such as "s3://…", which
            fsspec opens.
        source : object
            The ratings:

            - the path or the URL of a file, a folder or a glob, or an open file, as for
              `read_ratings`, whose files are read in batches;
            - a dataset of pyarrow;
            - a DataFrame of Dask, whose partitions are computed one after the other;
            - an iterator of batches, each in any form that `MatrixFactorization.fit` accepts,
              such as ``pandas.read_csv(path, chunksize=1_000_000)``;
            - ratings in any form that `fit` accepts, which are one batch.
        columns : tuple of str or int, or None, default=None
            Names of the user, item and rating columns, or their numbers from 0; two of them for
            interactions, each of which counts 1. None recognizes common names of three columns.
        n_threads : int or None, default=None
            Number of threads to number the ids with; None is the number of CPU cores available.
            With several, another thread writes files meanwhile, and one reads the next batch,
            unless the source is an iterator.
        verbose : bool, default=False
            Whether to show a progress bar.

        Returns
        -------
        RatingStore
            The store.

        Raises
        ------
        FileExistsError
            If `path` exists, or another process is writing it, which is not noticed behind a URL.
        ImportError
            If `path` is a URL, and fsspec is not installed.
        TypeError, ValueError
            If the input is not ratings, or ids are of different kinds in different batches.
        OSError
            If the store cannot be written. After any error, nothing is left of it.

        Notes
        -----
        Besides batches and files of up to a million ratings, and a row group of a Parquet file,
        memory holds the distinct ids: about 65 bytes for an integer and 200 for a text. Two
        partitions of Dask are in memory at a time, and so is each whole file of Parquet or Arrow
        behind a URL.

        Examples
        --------
        >>> import factorate as ft, tempfile, pathlib
        >>> batches = iter([([1, 2], [7, 8], [5, 3]), ([1], [8], [4])])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ft.RatingStore.create(pathlib.Path(folder, "ratings.store"), batches).n_ratings
        3
        """
        names = check_columns(columns)
        threads, shown = count_threads(n_threads), check_flag("verbose", verbose)
        folder, batches = open_folder(path), open_batches(source, names)
        if not shown:
            ingest(folder, batches, n_threads=threads)
            return cls(path)
        with open_bar(unit=" ratings", unit_scale=True, desc="reading") as bar:
            ingest(folder, batches, n_threads=threads, report=bar.update)
        return cls(path)

    @property
    def path(self) -> Path | str:
        """Path of the folder, or its URL.

        Returns
        -------
        Path or str
            A URL is without user, password and query.
        """
        return self._folder if isinstance(self._folder, Path) else self._folder.url

    @property
    def n_ratings(self) -> int:
        """Number of ratings.

        Returns
        -------
        int
            The same as ``len(store)``.
        """
        return self._stored.manifest.n_ratings

    @property
    def n_users(self) -> int:
        """Number of users.

        Returns
        -------
        int
            Number of distinct ids of users.
        """
        return self._stored.manifest.n_users

    @property
    def n_items(self) -> int:
        """Number of items.

        Returns
        -------
        int
            Number of distinct ids of items.
        """
        return self._stored.manifest.n_items

    @property
    def rating_range(self) -> tuple[float, float]:
        """Minimum and maximum rating.

        Returns
        -------
        tuple of float
            The lowest and the highest rating.
        """
        return self._stored.manifest.minimum, self._stored.manifest.maximum

    @property
    def users(self) -> NDArray[Any]:
        """Sorted ids of the users.

        Returns
        -------
        ndarray of shape (n_users,)
            Read when it is first needed; read-only.
        """
        return self._stored.indexes[0].ids

    @property
    def items(self) -> NDArray[Any]:
        """Sorted ids of the items.

        Returns
        -------
        ndarray of shape (n_items,)
            Read when it is first needed; read-only.
        """
        return self._stored.indexes[1].ids

    @property
    def n_bytes(self) -> int:
        """Size of all files of the store.

        Returns
        -------
        int
            Bytes on disk.
        """
        return sum(file_sizes(self._folder).values())

    def __len__(self) -> int:
        """Return the number of ratings."""
        return self.n_ratings

    def __repr__(self) -> str:
        """Return the path and the sizes."""
        sizes = f"{self.n_ratings:,} ratings, {self.n_users:,} users, {self.n_items:,} items"
        return f"<RatingStore {str(self._folder)!r}: {sizes}>"

    def batches(self) -> Iterator[Batch]:
        """Iterate over the ratings in batches of about a million.

        Each batch is ratings in a form that the methods of models accept, so what reads no store
        can be called with one batch after the other.

        Yields
        ------
        tuple of ndarray
            ``users``, ``items`` and ``ratings``, in the order of the source.

        Raises
        ------
        RatingStoreError
            If a file is missing or damaged; the message names it.

        Examples
        --------
        >>> import factorate as ft, tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "ratings.store")
        ...     store = ft.RatingStore.create(path, ([7, 8], ["tea", "jam"], [4.5, 3]))
        ...     [batch.ratings.tolist() for batch in store.batches()]
        [[4.5, 3.0]]
        """
        stored = self._stored
        users, items = (stored.indexes[side].ids.take(stored.read_rows(side)) for side in range(2))
        for chunk in stored.read_chunks():
            pairs = users.take(chunk.user_numbers), items.take(chunk.item_numbers)
            yield Batch(*pairs, stored.decode(chunk))

    def verify(self) -> None:
        """Read all files, and check their checksums and that they agree with each other.

        A fit checks what it reads, so this is needed only to check a store without a fit.

        Raises
        ------
        RatingStoreError
            If a file is missing or damaged; the message names it.

        Examples
        --------
        >>> import factorate as ft, tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "ratings.store")
        ...     ft.RatingStore.create(path, ([7, 8], ["tea", "jam"], [4.5, 3])).verify()
        """
        self._stored.verify()


def _scratch_of(folder: Folder) -> Path:
    """Return the folder for temporary files."""
    if isinstance(folder, Path):
        return folder
    import tempfile  # a slow import, which few need

    return Path(tempfile.gettempdir())


class Batch(NamedTuple):
    """Some ratings of a store.

    Attributes
    ----------
    users, items : ndarray of shape (n,)
        Ids.
    ratings : ndarray of shape (n,)
        Ratings, float64.
    """

    users: NDArray[Any]
    items: NDArray[Any]
    ratings: Doubles
