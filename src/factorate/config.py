"""Show the configuration: versions, processor and instruction set."""

from __future__ import annotations

import platform
import sys

import numpy as np

from factorate._kernels import cpu
from factorate._kernels.dispatch import available, chosen


def show_config() -> None:
    """Print the versions of the libraries, the processor and the instruction set in use.

    Include this output in bug reports. "instruction set" is the one whose kernels are in use, and
    "available" lists those that this processor supports. The environment variable
    ``FACTORATE_ISA``, read when factorate is imported, selects one of them.

    Examples
    --------
    >>> import factorate as ft
    >>> ft.show_config()  # doctest: +ELLIPSIS
    factorate        ...
    python           ...
    numpy            ...
    platform         ...
    compiler         ...
    instruction set  ...
    available        ...baseline
    """
    from importlib.metadata import version  # a slow import, which nothing else needs

    rows = {
        "factorate": version("factorate"),
        "python": f"{platform.python_version()} ({sys.implementation.name})",
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "compiler": cpu.compiler(),
        "instruction set": chosen(),
        "available": ", ".join(available()),
    }
    for name, value in rows.items():
        print(f"{name:<16} {value}")
