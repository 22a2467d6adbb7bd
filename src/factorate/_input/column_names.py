"""Find the columns of users, items and ratings by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from factorate._utils.validation import escape, show, show_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Found = dict[str, str | None]  # the column of each role, None if it is not found

Name = str | int  # an integer is the number of a column, from 0
Names = tuple[Name, Name] | tuple[Name, Name, Name]

ROLES = ("users", "items", "ratings")
# Names of columns by role, as `plain_name` returns them.
ALIASES = {
    "user": ("user", "users", "userid"),
    "item": ("item", "items", "itemid", "movieid", "bookid"),
    "rating": ("rating", "ratings", "stars"),
}
# Names of columns that say how often, or how strongly, a user interacted with an item.
COUNTS = frozenset(
    {"count", "counts", "weight", "weights", "plays", "playcount", "clicks", "quantity"}
    | {"views", "purchases", "listens"}
)
# The names that DataFrame libraries give to the sizes of groups; a table can also have others.
GROUP_SIZES = frozenset({"size", "len", "n"})
MINIMUM_TIME = 10**8  # no rating is as large; the number of seconds since 1970 is, from 1973 on
TIMES = frozenset({"time", "timestamp", "date", "datetime"})
# The names that pandas and polars give to two columns without names.
TWO_UNNAMED = ([0, 1], ["column_0", "column_1"])
# The results of `predict`, `recommend` and `similar_items` among them.
PREDICTIONS = frozenset(
    {"prediction", "predictions", "predicted", "pred", "estimate", "estimated", "est"}
    | {"score", "scores", "rank", "similar", "similarity"}
)


def find_columns(present: Sequence[str], names: Names | None, with_ratings: bool) -> list[str]:
    """Find the columns of users, items and, if `with_ratings`, ratings.

    Parameters
    ----------
    present : sequence of str
        Names of all columns, in order.
    names : tuple of str or int, or None
        Names or numbers, from 0, of the columns (user, item, rating). None recognizes common names.
        If only the name of the users or of the items is not recognized, and a single column can
        hold them, it is that column. Without ratings, two columns without names are the users and
        the items.
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
    >>> find_columns(["user", "product", "rating"], None, True)
    ['user', 'product', 'rating']
    """
    wanted = 3 if with_ratings else 2
    if names is not None:
        return _check_present(present, names, wanted)
    if not with_ratings and list(present) in TWO_UNNAMED:
        return list(present)
    matches = {
        role: [name for name in present if plain_name(name) in aliases]
        for role, aliases in list(ALIASES.items())[:wanted]
    }
    for several in matches.values():
        _check_distinct(several)
        if len(several) > 1:
            raise ValueError(
                f"columns {show_names(several)} are all candidates; choose one with columns=(…)"
            )
    found = {role: several[0] if several else None for role, several in matches.items()}
    chosen = [name for name in _eliminate(present, found).values() if name is not None]
    if len(chosen) < wanted:
        _check_distinct(present)
        _check_header(present)
        _raise_missing(present, found)
    return chosen


def find_interaction_columns(present: Sequence[str], names: Names | None) -> list[str]:
    """Find the columns of users and items and, if there is one, that of counts or weights.

    Parameters
    ----------
    present : sequence of str
        Names of all columns, in order.
    names : tuple of str or int, or None
        Names or numbers, from 0, of the columns (user, item) or (user, item, count). None
        recognizes common names; a column of ratings is not used then. A third and last column can
        also be named as the sizes of groups are, such as "size".

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
    >>> find_interaction_columns(["userId", "movieId", "rating", "timestamp"], None)
    ['userId', 'movieId']
    >>> find_interaction_columns(["user", "artist", "plays"], None)
    ['user', 'artist', 'plays']
    """
    if names is not None:
        return find_columns(present, names, with_ratings=len(names) == len(ROLES))
    counts = [name for name in present if plain_name(name) in COUNTS]
    if len(counts) > 1:
        raise ValueError(
            f"columns {show_names(counts)} are all candidates; choose one with columns=(…)"
        )
    if not counts and len(present) == len(ROLES) and plain_name(present[-1]) in GROUP_SIZES:
        counts = [present[-1]]
    others = [name for name in present if name not in counts]
    try:
        return find_columns(others, None, with_ratings=False) + counts
    except ValueError as error:
        if len(present) <= len(ROLES) or any(map(is_known_name, present)):
            raise
        wide = "or pass a wide table of users × items with wide=True"
        raise ValueError(f"{error}, {wide}") from None


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
    """Return the name of a column in lower case, without blanks, hyphens and underscores.

    Examples
    --------
    >>> plain_name("userId"), plain_name("User_ID")
    ('userid', 'userid')
    """
    return re.sub(r"[\s_-]", "", str(name)).lower()


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
    if isinstance(name, int) and str(name) in present:  # a name such as 2020
        return str(name)
    numbers = f", numbered from 0 to {len(present) - 1}" if isinstance(name, int) else ""
    raise ValueError(
        f"{what} names {show(name)}, which is not among the columns {show_names(present)}{numbers}"
    )


def _check_distinct(names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns are named {show(name)}; rename one")


def _check_header(names: Sequence[Any]) -> None:
    """Raise ValueError if the names look like a rating: the file has no header line."""
    if len(names) == len(ROLES) and isinstance(names[2], str) and is_number(names[2]):
        raise ValueError(
            f"the names of the columns, {show_names(names)}, look like a row of data; put a header "
            f"line such as user,item,rating before it, or name the columns with columns=(…)"
        )


def _not_a_rating(name: object) -> str | None:
    """Return what a column holds whose name says that it holds no ratings, such as times."""
    words = [word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", str(name))]
    if words and words[-1] in TIMES:
        return "times"
    return "predictions or scores" if PREDICTIONS.intersection(words) else None


def _eliminate(present: Sequence[str], found: Found) -> Found:
    """Add the column of users or of items if it is the last role, and one column is left for it."""
    missing = [role for role, name in found.items() if name is None]
    left = [
        name
        for name in present
        if not is_known_name(name) and not _not_a_rating(name) and plain_name(name) not in COUNTS
    ]
    if missing not in (["user"], ["item"]) or len(left) != 1:
        return found
    all_found = found | {missing[0]: left[0]}
    user, item = (present.index(str(all_found[role])) for role in ("user", "item"))
    return all_found if user < item else found


def _raise_missing(present: Sequence[str], found: Found) -> None:
    """Raise ValueError for the roles that have no column."""
    missing = [role for role, name in found.items() if name is None]
    others = [name for name in present if not is_known_name(name)]
    held = {name: _not_a_rating(name) for name in others}
    reasons = [f"{show(name)} holds {what}" for name, what in held.items() if what is not None]
    named = {role: role if name is None else name for role, name in found.items()}
    if len(missing) == len(others):
        named |= dict(zip(missing, others, strict=True))
        advice = f"if {_listed(map(show, others))} hold{'s'[: len(others) == 1]} "
        advice += f"the {_listed(f'{role}s' for role in missing)}, set"
    else:
        advice = "give their names, or their numbers from 0, as in"
    chosen = tuple(named.values())
    wide = found.keys() == ALIASES.keys() and {"user", "item"} <= set(missing)
    raise ValueError(
        f"cannot tell the column of {_listed(missing)} among "
        f"{show_names(present)}{f' ({_listed(reasons[:3])})' if reasons else ''}; {advice} "
        f"columns={show(chosen)} or --columns {','.join(map(escape, chosen))}"
        f"{', or pass a wide table of users × items with wide=True' if wide else ''}"
    )


def _listed(words: Iterable[str]) -> str:
    """Return words as a list in a sentence.

    Examples
    --------
    >>> _listed(["user", "item", "rating"]), _listed(["user"])
    ('user, item and rating', 'user')
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
