"""Feed damaged files to load() and to the readers of text, JSON lines, Parquet and Arrow files.

An error other than those they document fails, as does a crash, or an input that takes ten seconds.
tests/test_fuzz.py runs each target for a short time.

    python tests/fuzz.py TARGET [--files 20000] [--seconds 60] [--seed 0]
    python tests/fuzz.py TARGET -max_total_time=60 [other options of libFuzzer]

The first form damages valid files at random and needs nothing else; the second needs atheris, and
leaves an input that fails in the working directory. Targets:

- ``model`` damages a whole model file, ``member`` the content of one of its members, its checksum
  right; ``mapped`` does the same and uses the model without reading the whole file into memory;
- ``grammar`` loads model files from the generator in hostile_models.py, plain and mapped; it has
  the first form only;
- ``csv``, ``jsonl``, ``parquet`` and ``arrow`` fit models to a file of ratings; the Parquet files
  come from the generator in hostile_parquet.py, and the files of ``csv`` are text with any
  separator, with and without a header, and also compressed.
"""

from __future__ import annotations

import argparse
import bz2
import contextlib
import gzip
import io
import lzma
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HAS_LIBFUZZER_OPTIONS = any(
    text.startswith("-") and not text.startswith("--") for text in sys.argv[1:]
)
if __name__ == "__main__" and HAS_LIBFUZZER_OPTIONS:
    import atheris

    with atheris.instrument_imports(include=["factorate"]):
        import factorate as ft
else:
    import factorate as ft

FOLDER = Path(tempfile.mkdtemp())
CORPUS = FOLDER / "corpus"
CSV = b'user,item,rating\n1,2,3.5\n"a b",7,4\n\n1,3,5\n'
U_DATA = b"196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n"
TEXTS = {
    "csv": [
        CSV,
        U_DATA,
        U_DATA.replace(b"\t", b"::"),
        b"user;item;rating\n7;12;3,5\n8;12;4\n",
        b"ann tea 5\nbob rye 3\n",
        CSV.decode().encode("utf-16"),
        *(compress(CSV) for compress in (gzip.compress, bz2.compress, lzma.compress)),
    ],
    "jsonl": [
        b'{"user":1,"item":"a","rating":3.5}\n{"item":"\\n","rating":4,"user":2,"x":[null]}\n'
    ],
}
NAMES = "integers", "texts", "counts"  # of the models to damage
MAX_SECONDS = 10


def make_model(name: str) -> ft.MatrixFactorization | ft.ImplicitMatrixFactorization:
    """Return a good model."""
    numbers, texts, values = [0, 1, 2], ["a", "bc", "d"], [1.0, 2.0, 3.0]
    if name == "counts":
        return ft.ImplicitMatrixFactorization(2, 1, random_state=0).fit((numbers, texts, values))
    ids = numbers if name == "integers" else texts
    return ft.MatrixFactorization(2, 1, random_state=0).fit((ids, ids, values))


def model_members(name: str) -> dict[str, bytes]:
    """Return the content of a good model."""
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        make_model(name).save(path)
    with zipfile.ZipFile(path) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def load_model(data: bytes) -> None:
    """Load a file plain and mapped: a model predicts, and every error is a ModelFileError."""
    path = FOLDER / "model.npz"
    path.write_bytes(data)
    for mmap in (False, True):
        with contextlib.suppress(ft.ModelFileError):
            model = ft.load(path, mmap=mmap)
            model.predict((model.users_[:1], model.items_[:1]))


def use_mapped(data: bytes) -> None:
    """Load a file mapped: every error is a ModelFileError, and a model can be used."""
    path = FOLDER / "mapped.npz"
    path.write_bytes(data)
    try:
        model = ft.load(path, mmap=True)
    except ft.ModelFileError:
        return
    users, items = model.users_[:2], model.items_[:2]
    if len(users) == len(items) == 2:
        model.predict((users, items))
        model.recommend(users, n=2, exclude_seen=False)
        model.similar_items(items, n=1)
        model.complete()


def load_member(data: bytes, load: Callable[[bytes], None] = load_model) -> None:
    """Load a model one of whose members is `data`; its first byte chooses model and member."""
    parts = models()[data[0] % len(NAMES) if data else 0]
    name = list(parts)[data[0] // len(NAMES) % len(parts) if data else 0]
    path = FOLDER / "members.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for other, content in parts.items():
            archive.writestr(other, data[1:] if other == name else content)
    load(path.read_bytes())


def read_text(kind: str, data: bytes) -> None:
    """Fit both kinds of models to a file; the only errors expected are documented ones."""
    path = FOLDER / f"ratings.{kind}"
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        ft.MatrixFactorization(1, 0, random_state=0).fit(path)
    with contextlib.suppress(ValueError, ft.DivergenceError):
        ft.ImplicitMatrixFactorization(1, 1, random_state=0).fit(path)


def load_generated(path: Path) -> str:
    """Load a file plain and mapped, and return "loaded" or "rejected"."""
    outcome = "rejected"
    for mmap in (False, True):
        with contextlib.suppress(ft.ModelFileError):
            model = ft.load(path, mmap=mmap)
            if len(model.users_) and len(model.items_):
                model.predict((model.users_[:1], model.items_[:1]))
                model.recommend(model.users_[:1], n=2, exclude_seen=model._fitted.seen is not None)
            if not mmap:
                outcome = "loaded"
                again, third = path.with_name("again.npz"), path.with_name("third.npz")
                model.save(again)
                ft.load(again).save(third)
                if again.read_bytes() != third.read_bytes():
                    raise AssertionError(
                        f"{path} is loaded, but changes when it is saved and loaded again"
                    )
    return outcome


@cache
def models() -> list[dict[str, bytes]]:
    """Return the members of the models to damage."""
    return [model_members(name) for name in NAMES]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "model": load_model,
    "member": load_member,
    "mapped": partial(load_member, load=use_mapped),
    **{kind: partial(read_text, kind) for kind in (*TEXTS, "parquet", "arrow")},
}


def to_arrow(parquet: bytes) -> list[bytes]:
    """Return the content of a Parquet file as an Arrow file and as an Arrow stream."""
    import pyarrow
    import pyarrow.ipc
    import pyarrow.parquet

    table = pyarrow.parquet.ParquetFile(io.BytesIO(parquet)).read()
    files = []
    for new in (pyarrow.ipc.new_file, pyarrow.ipc.new_stream):
        file = io.BytesIO()
        with new(file, table.schema) as writer:
            writer.write_table(table)
        files.append(file.getvalue())
    return files


def seeds(target: str) -> list[bytes]:
    """Return valid inputs of a target."""
    if target in TEXTS:
        return TEXTS[target]
    if target == "arrow":
        import hostile_parquet

        files = [hostile_parquet.generate(random.Random(seed)) for seed in range(50)]  # noqa: S311
        return [arrow for file in files for arrow in to_arrow(file)]
    if target == "parquet":
        import hostile_parquet

        return [hostile_parquet.generate(random.Random(seed)) for seed in range(200)]  # noqa: S311
    if target == "model":
        models()  # writes the files
        return [(FOLDER / f"{name}.npz").read_bytes() for name in NAMES]
    return [
        bytes([place * len(NAMES) + number]) + content
        for number, parts in enumerate(models())
        for place, content in enumerate(parts.values())
    ]


def mutate(choose: random.Random, data: bytes) -> bytes:
    """Return an input with up to four changes: bytes changed, removed, repeated or inserted."""
    out = bytearray(data)
    for _ in range(choose.randint(0, 4)):
        at = choose.randrange(len(out) + 1)
        end = min(len(out), at + choose.choice([1, 1, 2, 4, 8, 40]))
        change = choose.choice(["flip", "bytes", "extreme", "remove", "repeat", "insert", "cut"])
        if change == "flip" and at < len(out):
            out[at] ^= 1 << choose.randrange(8)
        elif change == "bytes":
            out[at:end] = choose.randbytes(end - at)
        elif change == "extreme":
            out[at:end] = choose.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * (end - at)
        elif change == "remove":
            del out[at:end]
        elif change == "repeat":
            out[at:at] = out[at:end] * choose.choice([1, 2, 100])
        elif change == "insert":
            out[at:at] = choose.randbytes(choose.randint(1, 8))
        elif choose.random() < 0.2:
            del out[at:]
    return bytes(out)


def run(target: str, files: int, seconds: float, seed: int) -> Counter[str]:
    """Run a target on damaged files, and count the outcomes.

    An input that fails is the one of ``--seed`` N, which is printed.
    """
    if target == "grammar":
        from hostile_models import generate, valid_models

        parts = valid_models(FOLDER)
    else:
        valid = seeds(target)
    outcomes, began = Counter[str](), time.perf_counter()
    for number in range(seed, seed + files):
        start = time.perf_counter()
        if start - began > seconds:
            break
        try:
            if target == "grammar":
                path = FOLDER / "generated.npz"
                generate(number, parts, path)
                outcomes[load_generated(path)] += 1
            else:
                choose = random.Random(number)  # noqa: S311
                TARGETS[target](mutate(choose, choose.choice(valid)))
                outcomes["files"] += 1
        except BaseException:
            print(f"target {target}, seed {number}", file=sys.stderr)
            raise
        took = time.perf_counter() - start
        if took > MAX_SECONDS:
            raise AssertionError(f"target {target}, seed {number} took {took:.0f} s")
    return outcomes


def _peak_memory() -> float:
    try:
        import resource
    except ImportError:  # on Windows
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run one target; libFuzzer ends its own."""
    if len(sys.argv) < 2 or sys.argv[1] not in (*TARGETS, "grammar"):
        sys.exit(__doc__)
    target = sys.argv[1]
    if HAS_LIBFUZZER_OPTIONS and target in TARGETS:
        CORPUS.mkdir()
        for number, content in enumerate(seeds(target)):
            (CORPUS / str(number)).write_bytes(content)
        libfuzzer = [f"-timeout={MAX_SECONDS}", "-len_control=0", *sys.argv[2:], str(CORPUS)]
        atheris.Setup([sys.argv[0], *libfuzzer], TARGETS[target])
        atheris.Fuzz()
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--files", type=int)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    no_limit = sys.maxsize if options.seconds < float("inf") else 20_000
    files = no_limit if options.files is None else options.files
    memory, began = _peak_memory(), time.perf_counter()
    outcomes = run(target, files, options.seconds, options.seed)
    print(
        f"{dict(outcomes)}; {time.perf_counter() - began:.0f} s; peak memory "
        f"{_peak_memory():.0f} MiB, {memory:.0f} before"
    )


if __name__ == "__main__":
    main()
