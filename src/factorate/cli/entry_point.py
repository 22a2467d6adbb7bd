"""main: run one command, and turn errors and warnings into lines on standard error."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

from factorate.cli.parser import parse_arguments
from factorate.exceptions import UnknownIdWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ERROR, INTERRUPTED = 1, 130
EXPECTED_ERRORS = ValueError, TypeError, ArithmeticError, OSError, ImportError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the name of the program; by default those of the process.

    Returns
    -------
    int
        The exit code: 0, 1 after an error, 130 after an interruption.

    Raises
    ------
    SystemExit
        With code 2 if the arguments are wrong, and with code 0 after ``--help`` or ``--version``.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    counts: Counter[type[Warning]] = Counter()
    with warnings.catch_warnings():
        warnings.showwarning = _print_first(counts)
        warnings.filterwarnings("always", category=UnknownIdWarning, append=True)
        try:
            arguments = parse_arguments(argv)
            with _printed_log(getattr(arguments, "quiet", False)):
                arguments.function(arguments)
            if sys.stdout is not None:  # it is None if the shell has closed it
                sys.stdout.flush()
        except SystemExit:
            _flush_or_discard()
            raise
        except KeyboardInterrupt:
            _print_line("interrupted")
            return INTERRUPTED
        except MemoryError as error:
            _print_line(f"error: {str(error) or 'not enough memory'}")
            return ERROR
        except EXPECTED_ERRORS as error:
            _flush_or_discard()
            if isinstance(error, BrokenPipeError) and error.filename is None:
                return 0  # the reader of standard output needs no more
            _print_line(f"error: {error}")
            return ERROR
    n_further = counts[UnknownIdWarning] - 1
    if n_further > 0:
        _print_line(f"warning: {n_further} more such warnings, for later batches of the input")
    return 0


@contextlib.contextmanager
def _printed_log(quiet: bool) -> Iterator[None]:
    """Print what the library logs, such as the separator that it detected in a file."""
    logger = logging.getLogger("factorate")
    handler = _PrintingHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class _PrintingHandler(logging.Handler):
    """Print each record of the log as one line on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        _print_line(f"{prefix}{record.getMessage()}")


def _print_first(counts: Counter[type[Warning]]) -> Any:
    """Return a function for ``warnings.showwarning`` that prints the first of each category.

    Otherwise every batch of a long input would repeat the same warning.
    """

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if not counts[category]:
            _print_line(f"warning: {message}")
        counts[category] += 1

    return show


def _flush_or_discard() -> None:
    """Flush standard output, or drop what cannot be written, which Python would flush at exit."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_line(message: str) -> None:
    """Print a message on standard error as one line without control characters.

    Messages quote input files, which could otherwise send commands to the terminal.
    """
    if sys.stderr is None:  # tqdm would write to standard output
        return
    line = " ".join(message.split())
    escaped = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
    from tqdm import tqdm

    tqdm.write(f"factorate: {escaped}", file=sys.stderr)  # above a progress bar, not in its line
