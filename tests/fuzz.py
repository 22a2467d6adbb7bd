"""Feed damaged files to load() and to the readers of CSV and JSON.

An error other than those they document fails, as does a crash, or an input that takes ten seconds.
Not collected by pytest:

    python tests/fuzz.py grammar [--files 20000] [--seed 0]
    python tests/fuzz.py model|member|csv|jsonl [-max_total_time=60] [other options of libFuzzer]

``grammar`` loads model files from the generator in hostile_models.py, plain and mapped. The others
need atheris: ``model`` damages the whole file, ``member`` the content of one of its members, its
checksum right; an input that fails is left in the working directory.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.argv[1:2] == ["grammar"]:
    import factorate as ft
else:
    import atheris

    with atheris.instrument_imports(include=["factorate"]):
        import factorate as ft

FOLDER = Path(tempfile.mkdtemp())
CORPUS = FOLDER / "corpus"
TEXTS = {
    "csv": b'user,item,rating\n1,2,3.5\n"a b",7,4\n\n1,3,5\n',
    "jsonl": b'{"user":1,"item":"a","rating":3.5}\n{"item":"\\n","rating":4,"user":2,"x":[null]}\n',
}
IDS = [0, 1, 2], ["a", "bc", "d"]


def model_members(ids: int) -> dict[str, bytes]:
    """Return the content of a good model."""
    path = FOLDER / f"good{ids}.npz"
    if not path.exists():
        model = ft.MatrixFactorization(2, 1, random_state=0)
        model.fit((IDS[ids], IDS[ids], [1.0, 2.0, 3.0])).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def load_model(data: bytes) -> None:
    """Load a file plain and mapped: a model predicts, and every error is a ModelFileError."""
    path = FOLDER / "model.npz"
    path.write_bytes(data)
    for mmap in (False, True):
        with contextlib.suppress(ft.ModelFileError):
            model = ft.load(path, mmap=mmap)
            model.predict((model.users_[:1], model.items_[:1]))


def load_member(data: bytes) -> None:
    """Load a model one of whose members is `data`; its first byte chooses model and member."""
    members = MODELS[data[0] % len(IDS) if data else 0]
    name = list(members)[data[0] // len(IDS) % len(members) if data else 0]
    path = FOLDER / "members.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for other, content in members.items():
            archive.writestr(other, data[1:] if other == name else content)
    load_model(path.read_bytes())


def read_text(kind: str, data: bytes) -> None:
    """Read a file; the only expected error is a ValueError."""
    path = FOLDER / f"ratings.{kind}"
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        ft.MatrixFactorization(1, 0, random_state=0).fit(path)


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


def run_grammar(arguments: list[str]) -> None:
    """Load generated files, and print counts, seconds and peak memory."""
    import resource

    # Importing it imports factorate, which atheris has to do for the other targets.
    from hostile_models import generate, valid_models

    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    models = valid_models(FOLDER)
    path, outcomes, slowest = FOLDER / "generated.npz", Counter[str](), 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    for seed in range(options.seed, options.seed + options.files):
        generate(seed, models, path)
        start = time.perf_counter()
        try:
            outcomes[load_generated(path)] += 1
        except BaseException:
            print(f"seed {seed}", file=sys.stderr)
            raise
        slowest = max(slowest, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{dict(outcomes)}; {seconds:.0f} s, the slowest {slowest:.2f} s; peak memory "
        f"{peak / 1024:.0f} MiB, {before / 1024:.0f} before"
    )


MODELS = [model_members(ids) for ids in range(len(IDS))]
TARGETS: dict[str, Callable[[bytes], None]] = {
    "model": load_model,
    "member": load_member,
    **{kind: partial(read_text, kind) for kind in TEXTS},
}


def write_seeds(target: str) -> None:
    """Write the first inputs."""
    CORPUS.mkdir()
    if target in TEXTS:
        (CORPUS / target).write_bytes(TEXTS[target])
    for ids, members in enumerate(MODELS):
        if target == "model":
            (CORPUS / str(ids)).write_bytes((FOLDER / f"good{ids}.npz").read_bytes())
        for position, content in enumerate(members.values()) if target == "member" else ():
            first = bytes([position * len(IDS) + ids])
            (CORPUS / f"{ids}-{position}").write_bytes(first + content)


def main() -> None:
    """Run one target; libFuzzer ends those that need atheris."""
    if sys.argv[1:2] == ["grammar"]:
        run_grammar(sys.argv[2:])
        return
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(__doc__)
    write_seeds(sys.argv[1])
    options = ["-timeout=10", "-len_control=0", *sys.argv[2:], str(CORPUS)]
    atheris.Setup([sys.argv[0], *options], TARGETS[sys.argv[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
