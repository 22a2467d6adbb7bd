"""Threads by default: no more than the system lets this process use."""

from __future__ import annotations

from pathlib import Path

import pytest

from factorate._utils import threads as cores


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "OWN_GROUP", tmp_path / "own")
    (tmp_path / "own").write_text("1:name=systemd:/x\n0::/outer/inner\n")
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    return tmp_path


def test_affinity_counts(monkeypatch: pytest.MonkeyPatch, eight_cores: Path) -> None:
    assert cores.available_cores() == 8
    (eight_cores / "own").unlink()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    assert cores.available_cores() == 1


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("max 100000", "max 100000", 8),
        ("200000 100000", "max 100000", 2),
        ("150000 100000", "max 100000", 2),
        ("400000 100000", "300000 100000", 3),
        ("1000 100000", "max 100000", 1),
        ("nonsense", "max 100000", 8),
    ],
)
def test_the_quota_of_the_cgroup_and_its_parents_counts(
    inner: str, outer: str, expected: int, eight_cores: Path
) -> None:
    (eight_cores / "outer" / "inner" / "cpu.max").write_text(inner + "\n")
    (eight_cores / "outer" / "cpu.max").write_text(outer + "\n")
    assert cores.available_cores() == expected


def test_the_quota_of_a_cgroup_of_version_1_counts(eight_cores: Path) -> None:
    (eight_cores / "own").write_text("3:cpuset:/\n2:cpu,cpuacct:/job\n")
    group = eight_cores / "cpu" / "job"
    group.mkdir(parents=True)
    (group / "cpu.cfs_period_us").write_text("100000\n")
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    assert cores.available_cores() == 8
    (group / "cpu.cfs_quota_us").write_text("250000\n")
    assert cores.available_cores() == 3
