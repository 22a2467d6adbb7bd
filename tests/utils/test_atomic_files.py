"""Files are replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest

from factorate._utils.atomic_files import replacing

if TYPE_CHECKING:
    from pathlib import Path

on_posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture
def umask() -> Any:
    """Restrict the permissions of new files to the user and the group."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def write(target: str | os.PathLike[str], content: bytes = b"new") -> None:
    with replacing(target) as file:
        file.write(content)


def write_and_raise(target: Path) -> None:
    with replacing(target) as file:
        file.write(b"new")
        raise ZeroDivisionError


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make_device(path: Path, minor: int) -> Path:
    """Create a character device of Linux: 3 is that of /dev/null, 7 that of /dev/full."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        with path.open("wb"):
            pass
    except (AttributeError, PermissionError) as error:
        pytest.skip(f"devices cannot be created or opened here: {error}")
    return path


@pytest.mark.skipif(os.name != "posix", reason="only POSIX systems can open a folder")
@pytest.mark.parametrize("failing", ["open", "fsync"])
def test_a_folder_that_cannot_be_synchronized_does_not_fail_the_save(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a folder that is writable but not readable is no error."""
    folders: list[Any] = []
    real_open, real_fsync = os.open, os.fsync

    def open_or_raise(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if path == tmp_path:
            folders.append(path)
            if failing == "open":
                raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, flags, *more, **options)

    def fsync_or_raise(descriptor: int) -> None:
        if folders:
            raise OSError(22, "Invalid argument")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "open", open_or_raise)
    monkeypatch.setattr(os, "fsync", fsync_or_raise)
    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    write(target)
    assert folders == [tmp_path]
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_names_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: errors of writing name no file."""

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(target)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(target))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "model.npz"
    target.write_bytes(b"old")

    with pytest.raises(ZeroDivisionError):
        write_and_raise(target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@on_posix
@pytest.mark.parametrize("relative", [True, False])
def test_the_file_at_the_end_of_links_is_replaced(relative: bool, tmp_path: Path) -> None:
    """Regression: the link stays, and the file that it leads to is replaced."""
    (tmp_path / "versions").mkdir()
    version = tmp_path / "versions" / "v1.npz"
    version.write_bytes(b"old")
    current, link = tmp_path / "current.npz", tmp_path / "link.npz"
    current.symlink_to("versions/v1.npz" if relative else version)
    link.symlink_to("current.npz" if relative else current)
    inode = version.stat().st_ino
    write(link)
    assert version.read_bytes() == b"new"
    assert version.stat().st_ino != inode  # replaced, not changed in place
    assert link.is_symlink()
    assert current.is_symlink()
    assert list(version.parent.iterdir()) == [version]


@on_posix
def test_an_error_keeps_the_file_at_the_end_of_a_link(tmp_path: Path) -> None:
    version, link = tmp_path / "v1.npz", tmp_path / "link.npz"
    version.write_bytes(b"old")
    link.symlink_to(version)
    with pytest.raises(ZeroDivisionError):
        write_and_raise(link)
    assert version.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [link, version]


@on_posix
def test_a_link_to_no_file_creates_the_file(tmp_path: Path) -> None:
    link = tmp_path / "link.npz"
    link.symlink_to("new.npz")
    write(link)
    assert link.is_symlink()
    assert (tmp_path / "new.npz").read_bytes() == b"new"


@on_posix
def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(second)
    second.symlink_to(first)
    with pytest.raises(OSError, match=r"symbolic links.*first"):
        write(first)
    assert first.is_symlink()


@on_posix
@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o400])
def test_permissions_of_an_existing_file_stay(mode: int, tmp_path: Path) -> None:
    """Regression: the new file has the mode of the old one."""
    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    target.chmod(mode)
    write(target)
    assert target.read_bytes() == b"new"
    assert permissions(target) == mode


@on_posix
@pytest.mark.usefixtures("umask")
def test_the_new_content_is_private_while_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    target.chmod(0o600)
    with replacing(target):
        (temporary,) = set(tmp_path.iterdir()) - {target}
        assert permissions(temporary) == 0o600


@on_posix
@pytest.mark.usefixtures("umask")
def test_permissions_of_a_new_file_are_those_of_the_umask(tmp_path: Path) -> None:
    write(tmp_path / "model.npz")
    assert permissions(tmp_path / "model.npz") == 0o640


@on_posix
def test_the_owner_of_an_existing_file_stays(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may change the owner of a file")
    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    os.chown(target, 1234, 5678)
    target.chmod(0o640)
    write(target)
    status = target.stat()
    assert (status.st_uid, status.st_gid, permissions(target)) == (1234, 5678, 0o640)


@on_posix
def test_an_owner_that_cannot_be_set_does_not_fail_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    target.chmod(0o640)
    monkeypatch.setattr(os, "fchown", refuse)
    write(target)
    assert target.read_bytes() == b"new"
    assert permissions(target) == 0o640


@on_posix
def test_another_group_may_not_read_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: without the old group, the file has no permissions for its group."""
    if os.geteuid() != 0:
        pytest.skip("only root may change the group of a file to any other")

    def fail(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    os.chown(target, 1234, 5678)
    target.chmod(0o664)
    monkeypatch.setattr(os, "fchown", fail)
    write(target)
    assert target.stat().st_gid != 5678
    assert permissions(target) == 0o604


@on_posix
def test_the_new_file_does_not_run_as_its_owner(tmp_path: Path) -> None:
    """Regression: only permissions to read, write and execute are kept."""
    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    target.chmod(0o6750)
    write(target)
    assert permissions(target) == 0o750


@pytest.mark.parametrize("n_characters", [241, 242, 255])
def test_a_name_may_be_as_long_as_the_system_allows(n_characters: int, tmp_path: Path) -> None:
    """Regression: the name of the temporary file is not too long."""
    target = tmp_path / ("m" * n_characters)
    write(target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"new"


def test_a_null_device_stays(tmp_path: Path) -> None:
    """Regression: a device is written to, not replaced."""
    device = make_device(tmp_path / "null", 3)
    link = tmp_path / "link"
    link.symlink_to(device)
    for target in (device, link):
        write(target)
        assert device.is_char_device()
        assert link.is_symlink()
        assert sorted(tmp_path.iterdir()) == [link, device]


@pytest.mark.parametrize("size", [3, 1 << 20])
def test_a_full_device_raises_and_stays(size: int, tmp_path: Path) -> None:
    """Regression: an error of a device is raised, and the device is not replaced."""
    device = make_device(tmp_path / "full", 7)
    with pytest.raises(OSError, match=r"No space left on device.*full'") as caught:
        write(device, bytes(size))
    assert caught.value.errno == errno.ENOSPC
    assert device.is_char_device()
    assert list(tmp_path.iterdir()) == [device]


@on_posix
def test_a_fifo_gets_the_complete_content_and_stays(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()), daemon=True)
    reader.start()
    content = os.urandom(1 << 18)  # more than a pipe holds
    with replacing(fifo) as file:
        file.write(b"header")
        file.write(content)
        file.seek(0)  # archives go back to complete their headers
        file.write(b"HEADER")
    reader.join(timeout=30)
    assert received == [b"HEADER" + content]
    assert fifo.is_fifo()


@on_posix
def test_an_error_writes_nothing_to_a_fifo(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(ZeroDivisionError):
            write_and_raise(fifo)
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no sockets in folders")
def test_a_socket_raises_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(OSError, match="socket"):
            write("socket")
    assert stat.S_ISSOCK((tmp_path / "socket").stat().st_mode)


@pytest.mark.parametrize("name", ["folder", "folder/", "new/"])
def test_a_folder_is_rejected_by_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    path = f"{tmp_path}/{name}"
    with pytest.raises(IsADirectoryError, match=f"{name}' is a folder"):
        write(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
