"""Feed damaged files to load() and to the readers of CSV and JSON, and look for surprises.

Anything but the errors they document fails, as does a crash, or an input that takes ten seconds; it
is left in the working directory. Not collected by pytest; needs atheris:

    python tests/fuzz.py model|member|csv|jsonl [-max_total_time=60] [other options of libFuzzer]

``model`` damages the whole file, ``member`` the content of one of its members, its CRC right.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import atheris

if TYPE_CHECKING:
    from collections.abc import Callable

with atheris.instrument_imports(include=["factorate"]):
    import factorate as ft

FOLDER = Path(tempfile.mkdtemp())
CORPUS = FOLDER / "corpus"
TEXTS = {
    "csv": b'user,item,rating\n1,2,3.5\n"a b",7,4\n\n1,3,5\n',
    "jsonl": b'{"user":1,"item":"a","rating":3.5}\n{"item":"\\n","rating":4,"user":2,"x":[null]}\n',
}
IDS = [0, 1, 2], ["a", "bc", "d"]


def members(ids: int) -> dict[str, bytes]:
    """Return the content of a good model."""
    path = FOLDER / f"good{ids}.npz"
    if not path.exists():
        model = ft.MatrixFactorization(2, 1, random_state=0)
        model.fit((IDS[ids], IDS[ids], [1.0, 2.0, 3.0])).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def load_model(data: bytes) -> None:
    """What load() returns predicts; what it refuses, it refuses as no model."""
    path = FOLDER / "model.npz"
    path.write_bytes(data)
    for mmap in (False, True):
        with contextlib.suppress(ft.ModelFileError):
            model = ft.load(path, mmap=mmap)
            model.predict((model.users_[:1], model.items_[:1]))


def load_member(data: bytes) -> None:
    """The first byte chooses the model and the member that is the rest of the bytes."""
    parts = MODELS[data[0] % len(IDS) if data else 0]
    name = list(parts)[data[0] // len(IDS) % len(parts) if data else 0]
    path = FOLDER / "members.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for other, content in parts.items():
            archive.writestr(other, data[1:] if other == name else content)
    load_model(path.read_bytes())


def read_text(kind: str, data: bytes) -> None:
    """A file is read, or the error says where it is wrong."""
    path = FOLDER / f"ratings.{kind}"
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        ft.MatrixFactorization(1, 0, random_state=0).fit(path)


MODELS = [members(ids) for ids in range(len(IDS))]
TARGETS: dict[str, Callable[[bytes], None]] = {
    "model": load_model,
    "member": load_member,
    **{kind: partial(read_text, kind) for kind in TEXTS},
}


def write_seeds(target: str) -> None:
    """Write what to begin with."""
    CORPUS.mkdir()
    if target in TEXTS:
        (CORPUS / target).write_bytes(TEXTS[target])
    for ids, parts in enumerate(MODELS):
        if target == "model":
            (CORPUS / str(ids)).write_bytes((FOLDER / f"good{ids}.npz").read_bytes())
        for place, content in enumerate(parts.values()) if target == "member" else ():
            first = bytes([place * len(IDS) + ids])
            (CORPUS / f"{ids}-{place}").write_bytes(first + content)


def main() -> None:
    """Run one target until libFuzzer has enough."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(__doc__)
    write_seeds(sys.argv[1])
    options = ["-timeout=10", "-len_control=0", *sys.argv[2:], str(CORPUS)]
    atheris.Setup([sys.argv[0], *options], TARGETS[sys.argv[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
