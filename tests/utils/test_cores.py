"""The number of threads is by default that of the available cores."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from factorate._utils.cores import available_cores, count_threads, cpu_quota


@pytest.mark.parametrize("cores", [1, 8])
def test_the_affinity_limits_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    quota = cpu_quota()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert available_cores() == max(1, math.ceil(min(cores, quota)))


def test_none_is_one_thread_for_each_core() -> None:
    assert count_threads(None) == available_cores()
    assert count_threads(3) == 3
    with pytest.raises(ValueError, match="n_threads is 0; expected an integer ≥ 1"):
        count_threads(0)


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("max 100000", "max 100000", math.inf),
        ("200000 100000", "max 100000", 2),
        ("150000 100000", "max 100000", 1.5),
        ("400000 100000", "300000 100000", 3),
        ("1000 100000", "max 100000", 0.01),
        ("nonsense", "max 100000", math.inf),
    ],
)
def test_the_quota_is_the_smallest_of_a_cgroup_and_its_parents(
    inner: str, outer: str, expected: float, tmp_path: Path
) -> None:
    own_groups = tmp_path / "own"
    own_groups.write_text("1:name=systemd:/x\n0::/outer/inner\n")
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / "inner" / "cpu.max").write_text(inner + "\n")
    (tmp_path / "outer" / "cpu.max").write_text(outer + "\n")
    assert cpu_quota(tmp_path, own_groups) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", math.inf), ("250000", 2.5)])
def test_the_quota_of_a_cgroup_of_version_1(quota: str, expected: float, tmp_path: Path) -> None:
    own_groups = tmp_path / "own"
    own_groups.write_text("3:cpuset:/\n2:cpu,cpuacct:/job\n")
    group = tmp_path / "cpu" / "job"
    group.mkdir(parents=True)
    (group / "cpu.cfs_period_us").write_text("100000\n")
    (group / "cpu.cfs_quota_us").write_text(quota + "\n")
    assert cpu_quota(tmp_path, own_groups) == expected


def test_there_is_no_quota_without_cgroups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "absent") == math.inf
