"""Numbers in, SVG out. Colours come from the page's style sheet, so that charts follow light and dark."""

from collections.abc import Sequence
from html import escape

from asr.evaluate.page.examples import Example, Spike
from asr.evaluate.page.results import UtteranceResult

_BAR = 220  # width of a bar, in units of its SVG
_PER_SECOND, _NARROWEST = 200, 640  # pixels of a picture per second of sound, and altogether
_TEXT_ROW, _SPECTROGRAM, _SPIKES = 22, 120, 96  # heights in pixels
_LINE = 14  # from the top of a row to the baseline of its text


def draw_interval(rate: float, interval: tuple[float, float], largest: float, system: int) -> str:
    """Draw a rate as a dot on its interval, on a scale from 0 to `largest`."""
    scale = _BAR / max(largest, 1e-9)
    low, at, high = (min(value * scale, _BAR) for value in (interval[0], rate, interval[1]))
    return (
        f'<svg class="interval system-{system}" viewBox="-5 0 {_BAR + 10} 12" aria-hidden="true">'
        f'<line class="axis" x1="0" x2="{_BAR}" y1="6" y2="6"/>'
        f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="6" y2="6"/><circle cx="{at:.1f}" cy="6" r="4"/></svg>'
    )


def draw_reliability(systems: Sequence[tuple[int, Sequence[tuple[int, float, float]]]]) -> str:
    """Draw the share of correct words over their confidence; a perfect calibration lies on the diagonal.

    Args:
        systems: For each its number and its bins: words, mean confidence, share of correct words.
    """
    parts = ['<svg class="reliability" viewBox="-44 -12 360 350" role="img" aria-label="calibration of confidences">']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        at = 300 * tick
        parts.append(f'<line class="grid" x1="{at:g}" x2="{at:g}" y1="0" y2="300"/>')
        parts.append(f'<line class="grid" x1="0" x2="300" y1="{at:g}" y2="{at:g}"/>')
        parts.append(f'<text x="{at:g}" y="316" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="-6" y="{304 - at:g}" text-anchor="end">{tick:g}</text>')
    parts.append('<line class="diagonal" x1="0" x2="300" y1="300" y2="0"/>')
    for system, bins in systems:
        points = [(300 * confidence, 300 * (1 - accuracy), words) for words, confidence, accuracy in bins]
        parts.append(
            f'<g class="system-{system}"><polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)}"/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{n} words</title></circle>' for x, y, n in points]
        parts.append("</g>")
    parts.append('<text x="150" y="334" text-anchor="middle">confidence</text>')
    parts.append('<text transform="translate(-34 150) rotate(-90)" text-anchor="middle">correct words</text></svg>')
    return "".join(parts)


def draw_example(example: Example) -> str:
    """Draw an utterance over time: the spectrogram, and below it the words and spikes of each system."""
    width = max(_NARROWEST, round(_PER_SECOND * example.seconds))
    scale = width / max(example.seconds, 1e-3)
    parts, top = [], 0
    if example.spectrogram is not None:
        size = f'width="{width}" height="{_SPECTROGRAM}"'
        parts.append(f'<image class="spectrogram" href="{example.spectrogram}" {size} preserveAspectRatio="none"/>')
        top = _SPECTROGRAM
    for number, track in enumerate(example.tracks):
        parts.append(f'<g class="system-{number}">{_draw_words(track.result, top, scale)}')
        top += _TEXT_ROW
        if track.spikes is not None:
            parts.append(_draw_spikes(track.spikes, top, width, scale))
            top += _SPIKES
        parts.append("</g>")
    parts.append(_draw_seconds(example.seconds, top, scale))
    cursor = f'<line class="cursor" x1="-9" x2="-9" y1="0" y2="{top}"/>'
    return (
        f'<svg class="picture" width="{width}" height="{top + _TEXT_ROW}" data-seconds="{example.seconds:.3f}" '
        f'viewBox="0 0 {width} {top + _TEXT_ROW}">{"".join(parts)}{cursor}</svg>'
    )


def _draw_words(result: UtteranceResult, top: int, scale: float) -> str:
    """Draw each word as a box from its start to its end, the fainter the less certain it is."""
    boxes = []
    for word in result.words:
        left, width = word.start * scale, max(1.0, (word.end - word.start) * scale)
        confidence = 1.0 if word.confidence is None else word.confidence
        title = "" if word.confidence is None else f"<title>confidence {word.confidence:.0%}</title>"
        boxes.append(
            f'<rect class="word" x="{left:.1f}" y="{top + 1}" width="{width:.1f}" height="{_TEXT_ROW - 3}" '
            f'fill-opacity="{0.08 + 0.3 * confidence:.2f}">{title}</rect>'
            f'<text class="word" x="{left + width / 2:.1f}" y="{top + _LINE + 1}">{escape(word.text)}</text>'
        )
    return "".join(boxes)


def _draw_spikes(spikes: Sequence[Spike], top: int, width: int, scale: float) -> str:
    """Draw each probable token as a line as high as its probability, and name those that are decoded."""
    bottom, height = top + _SPIKES - 4, _SPIKES - 24
    parts = [f'<line class="axis" x1="0" x2="{width}" y1="{bottom}" y2="{bottom}"/>']
    for spike in spikes:
        x, y = spike.seconds * scale, bottom - height * spike.probability
        title = f"<title>{escape(spike.symbol)} {spike.probability:.0%}</title>"
        kind = "spike peak" if spike.is_peak else "spike"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{y:.1f}">{title}</line>')
        if spike.is_peak:
            symbol = escape(spike.symbol.replace(" ", "␣"))
            parts.append(f'<text class="symbol" x="{x:.1f}" y="{y - 4:.1f}">{symbol}</text>')
    return "".join(parts)


def _draw_seconds(seconds: float, top: int, scale: float) -> str:
    ticks = range(int(seconds) + 1)
    return "".join(f'<text class="tick" x="{tick * scale:.1f}" y="{top + _LINE}">{tick} s</text>' for tick in ticks)
