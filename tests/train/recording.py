"""A reporter that remembers what a person would have read."""

from asr.reporter import Reporter, Tone


class RecordingReporter(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str, tone: Tone = "plain") -> None:
        self.lines.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
