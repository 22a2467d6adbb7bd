"""main: run one command, and turn errors and warnings into lines on standard error."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from factorate.cli.parser import parse_arguments

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
    arguments = parse_arguments(argv)
    with warnings.catch_warnings(), _printed_log(getattr(arguments, "quiet", False)):
        warnings.showwarning = _print_once()
        try:
            arguments.function(arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of standard output has closed it: Python must not flush the rest at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except KeyboardInterrupt:
            _print_line("interrupted")
            return INTERRUPTED
        except MemoryError as error:
            _print_line(f"error: {str(error) or 'not enough memory'}")
            return ERROR
        except EXPECTED_ERRORS as error:
            _print_line(f"error: {error}")
            return ERROR
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


def _print_once() -> Any:
    """Return a function for ``warnings.showwarning`` that prints each category once.

    Otherwise every batch of a long input would repeat the same warning.
    """
    printed: set[type[Warning]] = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if category not in printed:
            _print_line(f"warning: {message}")
        printed.add(category)

    return show


def _print_line(message: str) -> None:
    """Print a message on standard error as one line without control characters.

    Messages quote input files, which could otherwise send commands to the terminal.
    """
    line = " ".join(message.split())
    escaped = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
    print(f"factorate: {escaped}", file=sys.stderr)
