"""A figure of many drills as an SVG: the older at the left."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from borgpull.reports.markup import NOTHING, Markup, element, joined

WIDTH, HEIGHT = 330, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 24
# Steps of a clock, in seconds; beyond them a step is one of a decimal scale.
_CLOCK = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)


class Point(NamedTuple):
    when: float  # Unix time
    value: float
    colour: str
    joined: bool  # by the line
    title: str


class Axis(NamedTuple):
    top: float
    text: Callable[[float], str]


def decimal_top(most: float) -> float:
    """The next of 1, 2, 5, 10, 20 ..."""
    if most <= 0 or not math.isfinite(most):
        return 1.0
    scale = 10.0 ** math.floor(math.log10(most))
    return next(scale * step for step in (1, 2, 5, 10) if most <= scale * step * (1 + 1e-9))


def clock_top(most: float) -> float:
    """Of seconds: the next that a clock shows well."""
    if 0.5 < most <= _CLOCK[-1]:
        return float(next(step for step in _CLOCK if most <= step))
    return 86400 * decimal_top(most / 86400) if most > 1 else decimal_top(most)


def chart(
    points: Sequence[Point], axis: Axis, label: str, ends: tuple[str, str], limit: float | None
) -> Markup:
    """`points` from the oldest to the newest; `ends` are said below the first and the last."""
    first, last = points[0].when, points[-1].when
    step = (WIDTH - _LEFT - _RIGHT - 12) / max(len(points) - 1, 1)

    def place(number: int, point: Point) -> tuple[float, float]:
        width = WIDTH - _LEFT - _RIGHT - 12
        across = (point.when - first) / (last - first) * width if last > first else number * step
        return round(_LEFT + 6 + across, 1), height(point.value)

    def height(value: float) -> float:
        share = min(max(value / axis.top, 0.0), 1.0)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    places = [place(number, point) for number, point in enumerate(points)]
    drawn = [spot for spot, point in zip(places, points, strict=True) if point.joined]
    return element(
        "svg",
        *(_grid(height(axis.top * part), axis.text(axis.top * part)) for part in (0, 0.5, 1)),
        _line(drawn, height(0)),
        NOTHING if limit is None or limit > axis.top else _limit(height(limit)),
        *(_dot(*spot, point, point is points[-1])
          for spot, point in zip(places, points, strict=True)),
        _text(_LEFT, HEIGHT - 6, ends[0], "start"),
        _text(WIDTH - _RIGHT, HEIGHT - 6, ends[1], "end") if len(points) > 1 else NOTHING,
        class_="chart",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=label,
    )  # fmt: skip


def bar(value: float, label: str, colour: str = "") -> Markup:
    """A bar that is `value` percent full."""
    return element(
        "svg",
        element("rect", width=f"{value:.2f}%", height=8),
        class_=f"bar {colour}".strip(),
        role="img",
        aria_label=label,
    )


def _grid(y: float, label: str) -> Markup:
    line = element("line", class_="grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y)
    return joined(line, _text(_LEFT - 8, y + 4, label, "end"))


def _limit(y: float) -> Markup:
    return element(
        "line",
        element("title", "the limit"),
        class_="limit", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y,
    )  # fmt: skip


def _line(places: Sequence[tuple[float, float]], floor: float) -> Markup:
    if len(places) < 2:
        return NOTHING
    path = " L".join(f"{x} {y}" for x, y in places)
    area = f"M{places[0][0]} {floor} L{path} L{places[-1][0]} {floor} Z"
    return joined(
        element("path", class_="area", d=area), element("path", class_="line", d=f"M{path}")
    )


def _dot(x: float, y: float, point: Point, is_last: bool) -> Markup:
    kind = "" if point.joined else " other"
    title = element("title", point.title)
    return element("circle", title, class_=point.colour + kind, cx=x, cy=y, r=5 if is_last else 3)


def _text(x: float, y: float, value: str, anchor: str) -> Markup:
    return element("text", value, x=x, y=y, text_anchor=anchor)
