"""The grid of depths by widths, 35 trials of 5 folds, against the plain loop.

First the whole of it as a study from the command line, start-up included. Then depth
by depth in one process that lives on and has one core, as a worker has, with no program
for that depth yet. The plain loop is timed on some widths of each depth, and scaled.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import peers
import shared
from shared import common

DEPTHS = (1, 2, 3, 4, 5)
WIDTHS = (8, 16, 24, 32, 48, 64, 96)


def hpo_depths(
    depths: list[int], widths: list[int], epochs: int, seed: int
) -> list[float]:
    """Return the seconds of each depth, its widths grouped as a study groups them."""
    family, folds = shared.family(), shared.digits(seed)
    other = shared.NETWORK | shared.OTHER | {"hidden_layers": 6}
    shared.train(family, [(other, fold) for fold in folds], seed)
    seconds = []
    for depth in depths:
        groups: dict[Any, list[Any]] = {}
        for width in widths:
            own = {"hidden_layers": depth, "units": width, "epochs": epochs}
            params = shared.NETWORK | own
            members = groups.setdefault(family.program_key(params), [])
            members += [(params, fold) for fold in folds]
        started = time.perf_counter()
        for members in groups.values():
            for first in range(0, len(members), family.group_limit):
                part = members[first : first + family.group_limit]
                shared.train(family, part, seed)
        seconds.append(time.perf_counter() - started)
    return seconds


def plain_depths(
    depths: list[int], widths: list[int], epochs: int, seed: int
) -> list[float]:
    """Return the seconds of each depth for so many widths."""
    peers.warm_up()
    folds = shared.digits(seed)
    return [
        sum(
            peers.plain_trial(
                shared.NETWORK
                | {"hidden_layers": depth, "units": width, "epochs": epochs},
                folds,
            )[0]
            for width in widths
        )
        for depth in depths
    ]


class Sides:
    """What takes turns.

    Args:
        options: Of the command line, with ``depths`` and ``widths``.
        folder: Takes a new folder for each study.
    """

    def __init__(self, options: Any, folder: Path) -> None:
        self._options, self._folder = options, folder

    def command(self, backend: str) -> dict[str, float]:
        options = self._options
        space = shared.NETWORK | {
            "hidden_layers": options.depths,
            "units": options.widths,
            "epochs": options.epochs,
        }
        search = {"strategy": "grid", "seed": options.seed}
        given = shared.study(space, search, backend=backend, jobs=shared.N_PROCESSES)
        took, trials = shared.run_study(
            self._folder / f"{time.monotonic_ns()}" / "new", given
        )
        assert len(trials) == len(options.depths) * len(options.widths)
        return {f"{backend}, command": took}

    def depths(self, backend: str) -> dict[str, float]:
        return self._each(hpo_depths, backend, self._options.widths, backend)

    def plain(self) -> dict[str, float]:
        part = self._options.plain_widths
        taken = self._each(plain_depths, "tensorflow", part, "plain")
        scale = len(self._options.widths) / len(part)
        return {name: scale * seconds for name, seconds in taken.items()}

    def _each(
        self, function: Any, backend: str, widths: list[int], label: str
    ) -> dict[str, float]:
        options = self._options
        seconds = shared.fresh(
            function,
            backend=backend,
            pinned=function is hpo_depths,
            depths=options.depths,
            widths=widths,
            epochs=options.epochs,
            seed=options.seed,
        )
        taken = {
            f"{label}, {depth}": value
            for depth, value in zip(options.depths, seconds, strict=True)
        }
        return taken | {f"{label}, all": sum(seconds)}


def main() -> None:
    parser = shared.parser(__doc__)
    parser.add_argument("--epochs", type=int, default=shared.EPOCHS)
    parser.add_argument(
        "--plain-widths",
        type=int,
        nargs="+",
        default=[16, 64],
        help="widths that the plain loop is timed on",
    )
    options = parser.parse_args()
    options.depths, options.widths = list(DEPTHS), list(WIDTHS)
    if options.quick:
        options.rounds, options.epochs = 1, 1
        options.depths, options.widths, options.plain_widths = [1, 2], [8, 64], [8]
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("grid", options, folder)
        sides = Sides(options, folder)
        variants = {
            "hpo tensorflow, command": lambda: sides.command("tensorflow"),
            "hpo jax, command": lambda: sides.command("jax"),
            "hpo tensorflow, by depth": lambda: sides.depths("tensorflow"),
            "hpo tensorflow, by depth, A/A": lambda: {
                f"A/A {name}": seconds
                for name, seconds in sides.depths("tensorflow").items()
            },
            "hpo jax, by depth": lambda: sides.depths("jax"),
            "plain loop": sides.plain,
        }
        times = shared.take_turns(variants, options.rounds)
    rows = []
    for depth in (*options.depths, "all"):
        plain = f"plain, {depth}"
        ours, again, jax = (
            times.gain(f"{label}, {depth}", plain)
            for label in ("tensorflow", "A/A tensorflow", "jax")
        )
        cells = [shared.short(times.rows.get(plain, [])), shared.short(ours)]
        rows.append([str(depth), *cells, shared.middle(again), shared.short(jax)])
    ours, jax = (
        times.gain(f"{backend}, command", "plain, all")
        for backend in ("tensorflow", "jax")
    )
    rows.append(["command", "", shared.short(ours), "", shared.short(jax)])
    report.table(["depth", "plain loop, s", "x tensorflow", "x A/A", "x jax"], rows)
    shared.show_missing(report, times)
    words = [
        f"{name} {common.summary(seconds, 1)}"
        for name, seconds in times.rows.items()
        if name.endswith(("command", "all"))
    ]
    report.text(f"Seconds: {'; '.join(words)}.")
    n_trials = len(options.depths) * len(options.widths)
    shared.close(
        report,
        watch,
        options,
        f"{n_trials} trials x 5 folds x {options.epochs} epochs, widths "
        f"{options.widths}; the plain loop was timed on widths {options.plain_widths} "
        "and scaled. x: how many times faster than the plain loop; A/A: TensorFlow "
        f"once more. The command has {shared.N_PROCESSES} workers, a row by depth one "
        "process.",
    )


if __name__ == "__main__":
    main()
