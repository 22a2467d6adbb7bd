"""load_movielens downloads, verifies and reads MovieLens, here from a local server."""

from __future__ import annotations

import hashlib
import io
import logging
import socket
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import datasets

pytest.importorskip("pooch", reason="pooch is not installed")

ROWS = [(1, 1193, 5, 978300760), (1, 661, 3, 978302109), (6040, 1097, 4, 956715569)]


def text(name: str) -> bytes:
    archive = datasets.MOVIELENS[name]
    lines = [archive.delimiter.join(str(field).encode() for field in row) for row in ROWS]
    return b"\n".join([b"userId,movieId,rating,timestamp"] * archive.header_lines + lines) + b"\n"


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


class Server:
    """Serve the first `sent` bytes of `content` at every path, after `failures` errors."""

    def __init__(self) -> None:
        self.content = b""
        self.sent: int | None = None
        self.failures = 0
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                if server.failures:
                    server.failures -= 1
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(server.content)))
                self.end_headers()
                self.wfile.write(server.content[: server.sent])

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(datasets, "GROUPLENS", server.url)
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)  # between retries
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def publish(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, members: dict[str, bytes]
) -> None:
    server.content = zipped(members)
    digest = hashlib.sha256(server.content).hexdigest()
    archive = datasets.MOVIELENS[name]._replace(sha256=digest)
    monkeypatch.setitem(datasets.MOVIELENS, name, archive)


@pytest.fixture(params=list(datasets.MOVIELENS))
def name(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Publish an archive in the format of each data set, and return its name."""
    members = {datasets.MOVIELENS[request.param].member: text(request.param)}
    publish(server, monkeypatch, request.param, members)
    return str(request.param)


@pytest.fixture
def small(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    publish(server, monkeypatch, "100k", {"ml-100k/u.data": text("100k")})
    return server


def test_columns_of_every_format(name: str, tmp_path: Path) -> None:
    columns = datasets.load_movielens(name, timestamps=True, folder=tmp_path)
    assert [column.dtype for column in columns] == [np.int32, np.int32, np.float32, np.int64]
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == ROWS
    model = ft.MatrixFactorization(2, random_state=0)
    model.fit(datasets.load_movielens(name, folder=tmp_path))
    assert model.users_.tolist() == [1, 6040]


def test_one_download_that_logs_the_terms(
    small: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with caplog.at_level(logging.WARNING, "factorate"):
            datasets.load_movielens("100k", folder=tmp_path)
    assert small.requests == ["/ml-100k.zip"]
    (message,) = [record.getMessage() for record in caplog.records if record.name == "factorate"]
    assert "University of Minnesota" in message
    assert message.endswith("/ml-100k-README.txt")


def test_a_failed_download_is_retried(small: Server, tmp_path: Path) -> None:
    small.failures = 2
    assert len(datasets.load_movielens("100k", folder=tmp_path)[0]) == 3
    assert len(small.requests) == 3


def test_a_truncated_download_is_rejected(small: Server, tmp_path: Path) -> None:
    small.sent = len(small.content) // 2
    with pytest.raises(OSError, match=r"cannot download http://.*/ml-100k\.zip"):
        datasets.load_movielens("100k", folder=tmp_path)
    assert len(small.requests) == 3
    assert not list(tmp_path.iterdir())


def test_a_file_with_another_checksum_is_rejected(small: Server, tmp_path: Path) -> None:
    small.content = zipped({"ml-100k/u.data": b"1\t1\t1\t1\n"})
    with pytest.raises(OSError, match="does not match the known hash"):
        datasets.load_movielens("100k", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_copy_is_downloaded_again(small: Server, tmp_path: Path) -> None:
    (tmp_path / "ml-100k.zip").write_bytes(small.content[:-1])
    assert len(datasets.load_movielens("100k", folder=tmp_path)[0]) == 3


def test_a_valid_copy_in_the_folder_is_used_without_a_download(
    small: Server, tmp_path: Path
) -> None:
    (tmp_path / "ml-100k.zip").write_bytes(small.content)
    assert len(datasets.load_movielens("100k", folder=str(tmp_path))[0]) == 3
    assert not small.requests


def test_error_names_an_unreachable_server(
    small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        monkeypatch.setattr(datasets, "GROUPLENS", url)
        with pytest.raises(OSError, match=rf"cannot download {url}ml-100k\.zip: .*Try again later"):
            datasets.load_movielens("100k", folder=tmp_path)
    assert not small.requests


def test_an_archive_cannot_write_outside_its_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = {"../outside.txt": b"1", str(tmp_path / "absolute.txt"): b"2"}
    publish(server, monkeypatch, "100k", outside | {"ml-100k/u.data": text("100k")})
    folder = tmp_path / "cache"
    assert len(datasets.load_movielens("100k", folder=folder)[0]) == 3
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "ml-100k.zip"]


def test_verbose_shows_progress(
    small: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    datasets.load_movielens("100k", folder=tmp_path, verbose=True)
    assert "100%" in capfd.readouterr().err
    assert small.requests


def test_error_without_pooch_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'factorate\[datasets\]'"):
        datasets.load_movielens("100k")


def test_error_for_an_unknown_name_lists_the_names() -> None:
    with pytest.raises(ValueError, match="name is '2m'; expected one of '100k', '1m'"):
        datasets.load_movielens("2m")
