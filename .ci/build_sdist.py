"""Build the sdist so that the same commit gives the same bytes.

setuptools stores the times of the build and the user who ran it. They are replaced by the time of
the commit and by no user. Run in the folder of the clone, with build, setuptools and Cython
installed: python .ci/build_sdist.py FOLDER
"""

import gzip
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


def normalize(source: Path, target: Path, time: int) -> None:
    """Write the members of an archive in order, with one time, no owner, and usual permissions."""
    with (
        tarfile.open(source) as archive,
        target.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=time) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as normalized,
    ):
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            normalized.addfile(member, archive.extractfile(member) if member.isfile() else None)


def main() -> None:
    """Build the sdist in a temporary folder, and write it normalized."""
    output = Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    time = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], capture_output=True, check=True, text=True
    )
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "-n", "-q", "--sdist", "-o", folder]
        subprocess.run(build, check=True)
        (built,) = Path(folder).iterdir()
        normalize(built, output / built.name, int(time.stdout))


if __name__ == "__main__":
    main()
