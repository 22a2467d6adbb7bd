"""The command ``factorate``."""

from factorate.cli.entry_point import main

__all__ = ["main"]
