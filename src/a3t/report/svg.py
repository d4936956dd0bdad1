"""Pictures as inline SVG: elements with escaped attributes, a linear scale, round ticks. CSS decides colours, by class."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence

from a3t.report.visible import one_line

Scale = Callable[[float], float]


def element(name: str, *children: str, **attributes: object) -> str:
    """`element("line", x1=0, class_="grid")`; children are markup already, attributes are escaped here."""
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    inside = "".join(f' {key}="{_attribute(value)}"' for key, value in pairs)
    return f"<{name}{inside}>{''.join(children)}</{name}>"


def text(content: str, x: float, y: float, class_: str = "", anchor: str = "start", title: str = "") -> str:
    """A label; `content` may come from an environment."""
    hover = (element("title", escape(title)),) if title else ()
    return element("text", *hover, escape(content), x=x, y=y, class_=class_ or None, text_anchor=anchor)


def picture(label: str, width: float, height: float, parts: Iterable[str], class_: str = "") -> str:
    """The whole; `label` tells somebody who cannot see it what it shows, figures included."""
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        class_=f"chart {class_}".strip(),
        width=width,
    )


def escape(content: str) -> str:
    return html.escape(one_line(content))


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Map [low, high] to [start, end]; a point where low = high goes to the middle."""
    if high == low:
        return lambda _value: (start + end) / 2
    return lambda value: start + (value - low) * (end - start) / (high - low)


def path(points: Sequence[tuple[float, float]], close: bool = False) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if close else "")


def nice_ticks(low: float, high: float, number: int = 4) -> list[float]:
    """About `number` round values inside [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / number
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _attribute(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return html.escape(one_line(str(value)))
