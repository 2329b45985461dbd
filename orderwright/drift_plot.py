"""What a storefront showed of a SKU against what could be sold, as a picture (SVG) that any browser opens."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from xml.sax.saxutils import escape

from store.drift import Moment

WIDTH, HEIGHT = 960, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 40


def draw(title: str, moments: Sequence[Moment]) -> str:
    """Two lines in steps: shown (blue), sellable (green); where more is shown than can be sold, the area is red.

    Raises ValueError for fewer than two moments: there is nothing to draw.
    """
    if len(moments) < 2:  # noqa: PLR2004  a line needs two ends
        raise ValueError("there are fewer than two moments to draw; nothing changed in this time")
    first, last = moments[0].at, moments[-1].at
    seconds = max((last - first).total_seconds(), 1.0)
    most = max(1, *(max(each.shown, each.sellable) for each in moments))

    def x(at: datetime) -> float:
        return LEFT + (at - first).total_seconds() / seconds * (WIDTH - LEFT - RIGHT)

    def y(units: int) -> float:
        return HEIGHT - BOTTOM - max(0, units) / most * (HEIGHT - TOP - BOTTOM)

    def steps(units: Sequence[int]) -> str:
        points = [(x(moments[0].at), y(units[0]))]
        for before, each, now in zip(units, moments[1:], units[1:], strict=False):
            points += [(x(each.at), y(before)), (x(each.at), y(now))]
        return " ".join(f"{across:.1f},{down:.1f}" for across, down in points)

    excess = "".join(
        f'<rect x="{x(each.at):.1f}" y="{y(each.shown):.1f}" width="{max(1.0, x(then.at) - x(each.at)):.1f}" '
        f'height="{y(each.sellable) - y(each.shown):.1f}" fill="#d33" fill-opacity="0.35"/>'
        for each, then in pairwise(moments)
        if each.shown > each.sellable
    )
    foot = HEIGHT - BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>'
        f'<text x="{WIDTH - RIGHT}" y="20" text-anchor="end"><tspan fill="#06c">shown</tspan> '
        f'<tspan fill="#080">can be sold</tspan> <tspan fill="#d33">too much shown</tspan></text>'
        f'<path d="M{LEFT} {TOP}V{foot}H{WIDTH - RIGHT}" stroke="#888" fill="none"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">{most}</text>'
        f'<text x="{LEFT - 6}" y="{foot + 4}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 12}">{first:%Y-%m-%d %H:%M:%S} UTC</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">{last:%Y-%m-%d %H:%M:%S} UTC</text>'
        f"{excess}"
        f'<polyline points="{steps([each.sellable for each in moments])}" stroke="#080" fill="none" stroke-width="2"/>'
        f'<polyline points="{steps([each.shown for each in moments])}" stroke="#06c" fill="none" stroke-width="2"/>'
        "</svg>\n"
    )
