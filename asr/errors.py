"""The errors that users see. Every message says what is wrong and what to do about it.

The command line prints them as one line. Library users can catch `AsrError` to catch them all.
"""

STOPPED = 130  # exit status of a job that was interrupted; shells use it for SIGINT


class AsrError(Exception):
    """Anything that went wrong for a reason that the user can understand and fix."""

    exit_status = 1


class AudioError(AsrError):
    """A recording cannot be read, or contains nothing that can be recognised."""


class ConfigError(AsrError):
    """A setting does not exist, has the wrong type or contradicts another."""


class CorpusError(AsrError):
    """A corpus or manifest is missing, malformed or unusable for training."""


class TextError(AsrError):
    """The alphabet cannot encode a transcript."""


class AlignmentError(AsrError):
    """A text does not fit its recording."""


class ModelError(AsrError):
    """A model folder is missing or incomplete, or does not fit its settings."""


class TrainingError(AsrError):
    """A training run cannot continue."""


class TrainingInterrupted(TrainingError):
    """A signal stopped the run; its state has been saved, and the run can be resumed."""

    exit_status = STOPPED


class TranscriptionInterrupted(AsrError):
    """A signal stopped a job of many recordings; the outputs written so far remain."""

    exit_status = STOPPED


class AsrWarning(UserWarning):
    """Something that the user should know but that stops nothing; the command line prints it as one line."""


def one_line(error: BaseException) -> str:
    """Return the message of an error, often another library's, as one line of at most 300 characters."""
    return " ".join(str(error).split())[:300] or type(error).__name__
