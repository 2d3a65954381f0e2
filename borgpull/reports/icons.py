"""The marks of the page, drawn in it."""

from __future__ import annotations

from borgpull.outputs.drills import Outcome
from borgpull.reports.markup import Markup, element

_PATHS: dict[Outcome, str] = {
    "pass": "M7 12.5l3.4 3.4L17.2 9",
    "differs": "M8.2 8.2l7.6 7.6M15.8 8.2l-7.6 7.6",
    "error": "M12 6.8v6.4M12 16.6v.6",
    "could not verify": "M9.2 9.6a2.8 2.8 0 1 1 4.3 2.4c-1 .7-1.5 1.1-1.5 2.2M12 17v.4",
    "outside limits": "M12 7v5.2l3.4 2",
}


def icon(outcome: Outcome, label: str) -> Markup:
    return element(
        "svg",
        element("circle", cx=12, cy=12, r=11, fill="currentColor", fill_opacity="0.14"),
        element("circle", cx=12, cy=12, r=10.4, fill="none", stroke="currentColor",
                stroke_width="1.2"),
        element("path", d=_PATHS[outcome], fill="none", stroke="currentColor", stroke_width="2",
                stroke_linecap="round", stroke_linejoin="round"),
        class_="mark",
        viewBox="0 0 24 24",
        role="img",
        aria_label=label,
    )  # fmt: skip
