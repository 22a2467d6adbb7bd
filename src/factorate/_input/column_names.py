"""Find the columns of users, items and ratings by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorate._utils.validation import show, show_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Name = str | int  # an integer is the number of a column, from 0
Names = tuple[Name, Name] | tuple[Name, Name, Name]

ROLES = ("users", "items", "ratings")
ALIASES = {
    "user": ("user", "user_id", "userid"),
    "item": ("item", "item_id", "itemid", "movieid", "movie_id", "book_id", "bookid"),
    "rating": ("rating", "score", "stars"),
}


def find_columns(present: Sequence[str], names: Names | None, with_ratings: bool) -> list[str]:
    """Find the columns of users, items and, if `with_ratings`, ratings.

    Parameters
    ----------
    present : sequence of str
        Names of all columns, in order.
    names : tuple of str or int, or None
        Names of the columns (user, item, rating). None recognizes common names, and takes two or
        three columns with other names in order.
    with_ratings : bool
        Whether a column of ratings is needed.

    Returns
    -------
    list of str
        Two or three of `present`.

    Raises
    ------
    ValueError
        If a name is absent, or the columns are not recognized or ambiguous.

    Examples
    --------
    >>> find_columns(["timestamp", "movieId", "rating", "userId"], None, True)
    ['userId', 'movieId', 'rating']
    """
    wanted = 3 if with_ratings else 2
    if names is not None:
        return _check_present(present, names, wanted)
    matches = [
        [name for name in present if plain_name(name) in aliases]
        for aliases in list(ALIASES.values())[:wanted]
    ]
    for several in matches:
        if len(set(several)) < len(several):
            raise ValueError(f"two columns are named {show(several[0])}; rename one")
        if len(several) > 1:
            raise ValueError(
                f"columns {show_names(several)} are all candidates; choose one with columns=(…)"
            )
    if all(matches):
        return [name for (name,) in matches]
    # Columns in order, unless a recognized name is in the position of another role.
    in_order = all(
        not found or present.index(found[0]) == position for position, found in enumerate(matches)
    )
    if in_order and len(present) in ((3,) if with_ratings else (2, 3)):
        _check_header(present)
        return list(present[:wanted])
    missing = [role for role, found in zip(ALIASES, matches, strict=False) if not found]
    raise ValueError(
        f"cannot tell the column of {' and '.join(missing)} among {show_names(present)}; name them "
        f"with columns=('user', 'item', 'rating'), or for a wide table of users × items pass "
        f"frame.to_numpy()"
    )


def find_id_column(present: Sequence[str], side: str, name: Name | None = None) -> list[str]:
    """Find the column of user ids or of item ids.

    Parameters
    ----------
    present : sequence of str
        Names of all columns.
    side : {"user", "item"}
        The ids to find.
    name : str or int, optional
        Name or number of the column; None to recognize it.

    Returns
    -------
    list of str
        One of `present`.

    Raises
    ------
    ValueError
        If it is absent, or not recognized.

    Examples
    --------
    >>> find_id_column(["age", "user_id"], "user")
    ['user_id']
    """
    if name is not None:
        return [_check_name(present, name, "--columns")]
    found = [column for column in present if plain_name(column) in ALIASES[side]]
    if len(found) == 1:
        return found
    if len(present) == 1:
        return list(present)
    raise ValueError(
        f"cannot tell the column of {side} among {show_names(present)}; name it with --columns"
    )


def choose_from_file(
    choose: Callable[[Sequence[str]], list[str]], present: list[str], where: str
) -> list[str]:
    """Choose columns of a file; errors begin with `where`, the position of their names.

    Raises
    ------
    ValueError
        If `choose` raises it, or two columns have a chosen name.
    """
    try:
        chosen = choose(present)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    for name in chosen:
        if present.count(name) > 1:
            raise ValueError(f"{where}: two columns are named {show(name)}; rename one")
    return chosen


def plain_name(name: object) -> str:
    """Return the name of a column in lower case, without surrounding blanks."""
    return str(name).strip().lower()


def is_known_name(name: object) -> bool:
    """Return whether a column has a common name of users, items or ratings."""
    return any(plain_name(name) in aliases for aliases in ALIASES.values())


def is_number(text: str) -> bool:
    """Return whether a text is a number as written in files.

    Examples
    --------
    >>> is_number("4.5"), is_number("tea"), is_number("1_000")
    (True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _check_present(present: Sequence[str], names: Names, wanted: int) -> list[str]:
    if len(names) < wanted:
        raise ValueError(f"columns={show(names)} has no rating; expected (user, item, rating)")
    return [_check_name(present, name, f"columns={show(names)}") for name in names[:wanted]]


def _check_name(present: Sequence[str], name: Name, what: str) -> str:
    """Return the name of a column that is given by its name or number."""
    if name in present:
        return present[present.index(name)]
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(present):
        return present[name]
    numbers = f", numbered from 0 to {len(present) - 1}" if isinstance(name, int) else ""
    raise ValueError(
        f"{what} names {show(name)}, which is not among the columns {show_names(present)}{numbers}"
    )


def _check_header(names: Sequence[Any]) -> None:
    """Raise ValueError if the names look like a rating: the file has no header line."""
    if len(names) == len(ROLES) and isinstance(names[2], str) and is_number(names[2]):
        raise ValueError(
            f"the names of the columns, {show_names(names)}, look like a rating; put a header "
            f"line such as user,item,rating before it, or name the columns with columns=(…)"
        )
