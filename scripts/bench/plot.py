"""The table as a picture: SVG, written as text.

The grey of text and lines has the same contrast to white and to black. A job has a colour and a
shape, for who cannot tell the colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import groupby

from scripts.bench.table import Row

GREY = "#767676"
COLOURS = ("#2f81f7", "#d9730d", "#2da44e", "#bf4b8a", "#8a63d2", "#b08800")
# Centred on a point, about 10 wide.
SHAPES = (
    "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "m-4.5-4.5h9v9h-9z",
    "m0-6l5.5 10h-11z",
    "m0-6l6 6l-6 6l-6-6z",
    "m0 6l5.5-10h-11z",
    "m-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
)
LEFT, WIDTH, RIGHT, LINE, TOP = 300.0, 520.0, 20.0, 20.0, 84.0
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def svg(rows: Sequence[Row]) -> str:
    """A line for each run on a tree, a mark for each row; how long the job takes, to `by hand`."""
    jobs = list(dict.fromkeys(row.job for row in rows))
    values = [max(row.ratio, 1e-3) for row in rows]
    low = max([tick for tick in TICKS if tick <= min(values)], default=min(values))
    high = min([tick for tick in TICKS if tick >= max(values)], default=max(values))
    low, high = min(low, 0.5), max(high, 2.0)

    def x(ratio: float) -> float:
        share = math.log(max(ratio, low) / low) / math.log(high / low)
        return LEFT + WIDTH * share

    lines = [list(found) for _, found in groupby(rows, key=lambda r: (r.tree, r.trip, r.run))]
    bottom = TOP + LINE * len(lines)
    parts = [*_legend(jobs), *_ticks([tick for tick in TICKS if low <= tick <= high], x, bottom)]
    for number, line in enumerate(lines):
        y = TOP + LINE * (number + 0.5)
        row = line[0]
        label = f"{row.tree}, {row.trip} ms, {row.run}"
        parts.append(
            f'<text x="{LEFT - 12:g}" y="{y + 4:g}" text-anchor="end">{escape(label)}</text>'
        )
        parts += [_mark(jobs.index(row.job), x(row.ratio), y, _title(row)) for row in line]
    total = LEFT + WIDTH + RIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:g} {bottom + 40:g}" '
        f'width="{total:g}" font-family="sans-serif" font-size="12" fill="{GREY}">\n'
        + "\n".join(parts)
        + f'\n<text x="{LEFT:g}" y="{bottom + 34:g}">seconds of a job / seconds by hand, '
        "logarithmic: left of 1 is faster</text>\n</svg>\n"
    )


def _legend(jobs: Sequence[str]) -> list[str]:
    parts, x, y = [], 20.0, 16.0
    for number, job in enumerate(jobs):
        if x + 11 + 7 * len(job) > LEFT + WIDTH:
            x, y = 20.0, y + LINE
        colour, shape = _look(number)
        parts.append(f'<path d="M{x:g} {y:g}{shape}" fill="{colour}"/>')
        parts.append(f'<text x="{x + 11:g}" y="{y + 4:g}">{escape(job)}</text>')
        x += 34 + 7 * len(job)
    return parts


def _look(number: int) -> tuple[str, str]:
    """A colour and a shape; those of one colour differ in their shape."""
    return COLOURS[number % 6], SHAPES[(number + number // 6) % 6]


def _ticks(ticks: Sequence[float], x: Callable[[float], float], bottom: float) -> list[str]:
    parts = []
    for tick in ticks:
        width = 1.5 if tick == 1 else 0.4
        parts.append(
            f'<path d="M{x(tick):.1f} {TOP:g}V{bottom:g}" stroke="{GREY}" stroke-width="{width}"/>'
            f'<text x="{x(tick):.1f}" y="{TOP - 8:g}" text-anchor="middle">{tick:g}</text>'
        )
    return parts


def _mark(number: int, x: float, y: float, title: str) -> str:
    colour, shape = _look(number)
    words = f'd="M{x:.1f} {y:g}{shape}" fill="{colour}" fill-opacity="0.85"'
    return f'<path class="mark" {words}><title>{escape(title)}</title></path>'


def _title(row: Row) -> str:
    return f"{row.job}: {row.cost.seconds:.1f} s, ratio {row.ratio:.2f}"
