"""Results in, a self-contained web page out."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from asr.atomic import write_text
from asr.errors import CorpusError
from asr.evaluate.page.charts import draw_example, draw_interval, draw_reliability
from asr.evaluate.page.confusions import align_words, count_confusions
from asr.evaluate.page.examples import MOST_SECONDS, Example, collect_examples
from asr.evaluate.page.groups import Group, group_by_confidence, group_by_length, group_by_speaker
from asr.evaluate.page.results import Pairs, SystemResult, pair_utterances, read_results
from asr.evaluate.page.significance import PairedTests, run_tests
from asr.reporter import SILENT, Reporter

MOST_SYSTEMS = 4  # with colours of their own
_MOST_DIFFERENT = 10  # utterances of a comparison
_FEWEST = 5  # utterances of a group whose interval means something
# The page may load nothing and run no other script, whatever texts and names it shows.
_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_page(paths: Sequence[Path], output: Path, *, worst: int, reporter: Reporter = SILENT) -> None:
    """Make a page of results and write it.

    Args:
        paths: Files of `asr evaluate`, one for each system; the first is what the others are compared with.
        output: The HTML file.
        worst: Number of utterances to show with their sound.
        reporter: Is told of recordings and models that cannot be read.

    Raises:
        CorpusError: If a file is no result, there are too many, or two have no utterance in common.
        AsrError: If the page cannot be written.
    """
    if not 1 <= len(paths) <= MOST_SYSTEMS:
        raise CorpusError(f"a page compares 1 to {MOST_SYSTEMS} systems, not {len(paths)}")
    results = read_results(paths)
    comparisons = [_Comparison.of(results[0], other) for other in results[1:]]
    write_text(output, render(results, comparisons, collect_examples(results, worst, reporter)))


class _Comparison:
    """A system next to the first one."""

    def __init__(self, first: SystemResult, second: SystemResult, pairs: Pairs, tests: PairedTests) -> None:
        self.first, self.second, self.pairs, self.tests = first, second, pairs, tests

    @classmethod
    def of(cls, first: SystemResult, second: SystemResult) -> "_Comparison":
        """Run the tests. Raises CorpusError if the systems share no utterance with a word."""
        pairs = pair_utterances(first, second)
        before, after = [first.edits[one] for one in pairs.first], [second.edits[one] for one in pairs.second]
        if not any(edits.length for edits in before):
            raise CorpusError(
                f"{first.label} and {second.label} share no utterance with the same name and reference; evaluate both "
                "on the same manifests, with models that normalise texts in the same way"
            )
        return cls(first, second, pairs, run_tests(before, after))


def render(results: Sequence[SystemResult], comparisons: Sequence[_Comparison], examples: Sequence[Example]) -> str:
    """Return the page."""
    folder = Path(__file__).parent
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    title = escape(" and ".join(result.label for result in results))
    sections = [
        _render_overview(results),
        *(_render_comparison(one, number) for number, one in enumerate(comparisons, start=1)),
        _render_groups(results),
        _render_confusions(results),
        _render_examples(examples),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>\n{style}</style>\n</head>\n<body>\n'
        f"<h1>{title}</h1>\n{''.join(filter(None, sections))}<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _section(title: str, *parts: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{''.join(parts)}\n</section>\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a table; the cells of the rows are HTML, the head and the caption are text."""
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{named}<thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>\n"


def _name(label: str, system: int) -> str:
    return f'<span class="name system-{system}">{escape(label)}</span>'


def _range(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2%} to {interval[1]:.2%}"


def _render_overview(results: Sequence[SystemResult]) -> str:
    rows = []
    largest = max(result.rates.wer_interval[1] for result in results)
    for number, result in enumerate(results):
        rates, edits = result.rates, result.rates.word_edits
        factor = result.summary.get("real_time_factor")
        model = "" if result.model is None else Path(result.model).name
        cells = [_name(result.label, number) + ("" if model in ("", result.label) else f" ({escape(model)})")]
        cells += [str(rates.utterances), str(rates.words), f"{rates.wer:.2%}", _range(rates.wer_interval)]
        cells.append(draw_interval(rates.wer, rates.wer_interval, largest, number))
        cells += [f"{rates.utterance_error_rate:.2%}", f"{rates.cer:.2%}"]
        cells.append(" / ".join(str(count) for count in edits[1:]))
        rows.append([*cells, "" if factor is None else f"{factor:.3f}"])
    head = ["", "utterances", "words", "WER", "95 % interval", "", "wrong utterances", "CER"]
    table = _table([*head, "subst. / del. / ins.", "real-time factor"], rows)
    failures = [f"{result.label}: {line}" for result in results for line in result.summary.get("failures", ())]
    notes = "".join(f'<p class="note">{escape(line)}</p>' for line in failures)
    return _section("Error rates", table, notes)


def _render_comparison(comparison: _Comparison, number: int) -> str:
    tests, first, second = comparison.tests, comparison.first, comparison.second
    difference = tests.comparison.difference
    verdict = "fewer" if difference < 0 else "more"
    count = len(comparison.pairs.first)
    if tests.is_significant:
        summary = f"{second.label} makes {verdict} word errors than {first.label}: the interval does not contain zero."
    else:
        summary = "The difference may be chance: its interval contains zero."
    rows = [
        ["WER of the second minus that of the first", f"{difference:+.2%}", _signed(tests.comparison.interval)],
        ["matched pairs of utterances (Gillick &amp; Cox 1989)", _probability(tests.matched_pairs), ""],
        [
            "McNemar's exact test of wrong utterances",
            _probability(tests.mcnemar),
            f"only the first wrong: {tests.only_first_wrong}; only the second: {tests.only_second_wrong}",
        ],
    ]
    left = comparison.pairs.left_out
    note = f"{left} utterances are left out: only one system has them, or their references differ." if left else ""
    return _section(
        f"{second.label} and {first.label}",
        f"<p>{_name(first.label, 0)} {_name(second.label, number)} on {count} utterances. {escape(summary)}</p>",
        _table(["paired test", "result", "95 % interval, counts"], rows),
        f'<p class="note">{note}</p>' if note else "",
        _render_differences(comparison, number),
    )


def _signed(interval: tuple[float, float]) -> str:
    return f"{interval[0]:+.2%} to {interval[1]:+.2%}"


def _probability(value: float) -> str:
    return "p &lt; 0.001" if value < 0.001 else f"p = {value:.3f}"


def _render_differences(comparison: _Comparison, number: int) -> str:
    """Show the utterances where the number of errors differs most."""
    first, second = comparison.first, comparison.second
    pairs = list(zip(comparison.pairs.first, comparison.pairs.second, strict=True))
    pairs.sort(key=lambda pair: -abs(first.edits[pair[0]].errors - second.edits[pair[1]].errors))
    parts = []
    for ours, theirs in pairs[:_MOST_DIFFERENT]:
        one, other = first.utterances[ours], second.utterances[theirs]
        counts = first.edits[ours].errors, second.edits[theirs].errors
        if counts[0] != counts[1]:
            parts.append(f"<h3>{escape(one.name)}: {counts[0]} and {counts[1]} errors</h3>")
            parts += [_render_alignment(one.reference, one.hypothesis, 0, first.label)]
            parts += [_render_alignment(other.reference, other.hypothesis, number, second.label)]
    return f"<details><summary>Where they differ most</summary>{''.join(parts)}</details>" if parts else ""


def _render_alignment(reference: str, hypothesis: str, system: int, label: str) -> str:
    """Show the reference above the hypothesis, word by word."""
    pairs = "".join(
        f'<span class="pair {pair.kind}"><b>{escape(pair.reference)}</b><i>{escape(pair.hypothesis)}</i></span>'
        for pair in align_words(reference, hypothesis)
    )
    return f'<div class="aligned">{_name(label, system)}{pairs}</div>'


def _render_groups(results: Sequence[SystemResult]) -> str:
    parts = []
    kinds: list[tuple[str, Callable[[SystemResult], list[Group]]]] = [
        ("By length", group_by_length),
        ("By confidence", group_by_confidence),
        ("By speaker", group_by_speaker),
    ]
    for title, group in kinds:
        if any(found := [group(result) for result in results]):
            parts.append(f'<div><h3>{title}</h3><div class="scroll">{_table_of_groups(results, found)}</div></div>')
    if bins := _collect_bins(results):
        caption = "Share of correct words over their confidence; on the dashed line, confidences are right."
        parts.append(f"<figure><h3>Calibration</h3>{draw_reliability(bins)}<figcaption>{caption}</figcaption></figure>")
    return _section("Where the errors are", f'<div class="columns">{"".join(parts)}</div>')


def _collect_bins(results: Sequence[SystemResult]) -> list[tuple[int, list[tuple[int, float, float]]]]:
    found = []
    for number, result in enumerate(results):
        if bins := result.summary.get("confidence", {}).get("bins"):
            found.append((number, [(int(words), float(conf), float(share)) for words, conf, share in bins]))
    return found


def _table_of_groups(results: Sequence[SystemResult], found: Sequence[Sequence[Group]]) -> str:
    """Make a row for each group of each system, those of the same group together."""
    largest = min(1.0, max(group.interval[1] for groups in found for group in groups))
    by_label = [{group.label: group for group in groups} for groups in found]
    labels = dict.fromkeys(label for groups in by_label for label in groups)
    rows = []
    for label in labels:
        present = [(number, groups[label]) for number, groups in enumerate(by_label) if label in groups]
        for row, (number, group) in enumerate(present):
            cells = [
                "" if row else escape(label),
                *([_name(results[number].label, number)] if len(results) > 1 else []),
            ]
            cells += [str(group.utterances), str(group.words), f"{group.wer:.2%}"]
            if group.utterances < _FEWEST:
                rows.append([*cells, "", ""])
            else:
                interval = draw_interval(group.wer, group.interval, largest, number)
                rows.append([*cells, _range(group.interval), interval])
    head = ["", *([""] if len(results) > 1 else []), "utterances", "words", "WER", "95 % interval", ""]
    return _table(head, rows)


def _render_confusions(results: Sequence[SystemResult]) -> str:
    parts = []
    for number, result in enumerate(results):
        found = count_confusions(result.utterances)
        rows = [[escape(said), escape(recognised), str(count)] for (said, recognised), count in found.substituted]
        tables = _table(["said", "recognised", "times"], rows, "Substituted") if rows else ""
        for title, counted in (("Deleted", found.deleted), ("Inserted", found.inserted)):
            if counted:
                tables += _table(["word", "times"], [[escape(word), str(count)] for word, count in counted], title)
        if tables:
            parts.append(f'<div><p>{_name(result.label, number)}</p><div class="columns">{tables}</div></div>')
    return _section("Most frequent confusions", f'<div class="columns">{"".join(parts)}</div>') if parts else ""


def _render_examples(examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    note = (
        "Said above recognised; click a picture to play from there. Below the spectrogram (mel bands) stand the "
        "recognised words, fainter where the system is less certain, and the network's output: lines are the "
        f"probabilities of tokens at each frame, named where greedy decoding takes them. At most {MOST_SECONDS:g} s of "
        "an utterance are shown."
    )
    return _section("Worst utterances", f'<p class="note">{note}</p>', *map(_render_example, examples))


def _render_example(example: Example) -> str:
    utterance = example.utterance
    about = [f"{example.errors} errors", f"{example.seconds:.1f} s" if example.seconds else ""]
    about.append("" if utterance.speaker is None else f"speaker {utterance.speaker}")
    alignments = [
        _render_alignment(track.result.reference, track.result.hypothesis, number, track.label)
        for number, track in enumerate(example.tracks)
    ]
    sound = "" if example.sound is None else f'<audio controls preload="metadata" src="{example.sound}"></audio>'
    has_picture = example.spectrogram is not None or any(track.result.words for track in example.tracks)
    picture = f'<div class="strip">{draw_example(example)}</div>' if has_picture and example.seconds else ""
    heading = f"<h3>{escape(utterance.name)}: {escape(', '.join(filter(None, about)))}</h3>"
    return f'<div class="example">{heading}{"".join(alignments)}{sound}{picture}</div>\n'
