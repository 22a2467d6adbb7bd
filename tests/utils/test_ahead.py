"""Ahead: calls are made by another thread, or by the one that needs their results."""

from __future__ import annotations

import threading

import pytest

from factorate._utils.ahead import Ahead


def test_calls_are_made_ahead_by_another_thread() -> None:
    with Ahead() as ahead:
        begun = threading.Event()

        def begin() -> int:
            begun.set()
            return threading.get_ident()

        call = ahead.submit(begin)
        assert begun.wait(60)
        assert call.result() != threading.get_ident()


def test_calls_that_have_not_begun_are_made_by_who_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("factorate._utils.helper_thread.start_new_thread", fail)
    with Ahead() as ahead:
        assert ahead.submit(threading.get_ident).result() == threading.get_ident()


def test_an_error_of_a_call_is_raised_where_its_result_is_needed() -> None:
    with Ahead() as ahead:
        calls = [ahead.submit(lambda: 1 // 0), ahead.submit(lambda: 5)]
        assert calls[1].result() == 5
        with pytest.raises(ZeroDivisionError):
            calls[0].result()


def test_calls_whose_results_are_not_needed_are_dropped() -> None:
    made: list[int] = []
    with Ahead() as ahead:
        release, begun = threading.Event(), threading.Event()

        def begin() -> bool:
            begun.set()
            return release.wait(60)

        first = ahead.submit(begin)
        assert begun.wait(60)
        ahead.submit(lambda: made.append(1))
        ahead._stopped = True  # as at the end of the block
        release.set()
        assert first.result()
    assert not made
