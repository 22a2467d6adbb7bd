"""show_model: the time of an epoch on large clusters, by a model of its steps."""

from __future__ import annotations

from benchmarks.cluster.workers import FACTORS
from factorate._cluster.steps import epoch_steps, group_bands
from factorate._training.block_order import band_order


def show_model(
    *,
    speed: float = 100e6,
    bandwidth: float = 1.25e9,
    latency: float = 5e-3,
    n_bands: int = 128,
) -> None:
    """Print the seconds of an epoch on large clusters, by a model of its steps.

    Parameters
    ----------
    speed : float, default=100e6
        Ratings per second and thread.
    bandwidth : float, default=1.25e9
        Bytes per second that a worker sends.
    latency : float, default=5e-3
        Seconds from the end of a task to the start of one that waits for it.
    n_bands : int, default=128
        Number of row bands, and of column bands.
    """
    print(
        f"{speed / 1e6:.0f} million ratings/s and thread, {bandwidth / 1e9:.2f} GB/s, "
        f"{1e3 * latency:.0f} ms a task, K = {FACTORS}, 8 threads a worker"
    )
    parts = "computing", "waiting", "sending Q", "copies"
    print(f"| ratings | workers | steps | {' | '.join(parts)} | s/epoch | efficiency |")
    print("|---|---|---|---|---|---|---|---|---|")
    for n_ratings, n_users, n_items in ((10**9, 10**7, 10**6), (10**10, 5 * 10**7, 3 * 10**6)):
        user_bytes, item_bytes = (n * (4 * FACTORS + 28) for n in (n_users, n_items))
        for n_workers in (4, 16, 64):
            groups = [1] * n_workers, [1] * min(n_bands, 2 * n_workers)
            bands = [group_bands(n_bands, sizes) for sizes in groups]
            steps = epoch_steps(band_order((n_bands, n_bands), 0, 1), *bands)
            n_steps = len(steps) / n_workers
            computing = n_ratings / n_workers / (8 * speed)
            waiting = n_steps * 2 * latency
            sending = n_steps * item_bytes / len(groups[1]) / bandwidth
            copies = (user_bytes + item_bytes) / n_workers / bandwidth
            total = computing + waiting + sending + copies
            print(
                f"| {n_ratings:.0e} | {n_workers} | {n_steps:.0f} | {computing:.2f} "
                f"| {waiting:.2f} | {sending:.2f} | {copies:.2f} | {total:.2f} "
                f"| {100 * computing / total:.0f} % |"
            )
