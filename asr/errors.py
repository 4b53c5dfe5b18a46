"""The errors that users see. Every message says what was wrong and what to do about it.

The command line prints them as one line; a library user catches `AsrError` for all of them.
"""

STOPPED = 130  # exit status of an interrupted command, as shells have it for SIGINT


class AsrError(Exception):
    """Anything that went wrong for a reason that the user can understand and fix."""

    exit_status = 1


class AudioError(AsrError):
    """A recording that cannot be read, or holds nothing that can be recognised."""


class ConfigError(AsrError):
    """A setting that does not exist, has the wrong type or contradicts another."""


class CorpusError(AsrError):
    """A corpus or manifest that is missing, malformed or unusable for training."""


class TextError(AsrError):
    """A transcript that the alphabet cannot spell."""


class AlignmentError(AsrError):
    """A text that does not fit its recording."""


class ModelError(AsrError):
    """A model folder that is missing, incomplete or does not fit its settings."""


class TrainingError(AsrError):
    """A training run that cannot continue."""


class TrainingInterrupted(TrainingError):
    """A signal stopped the run; its state is on disk, and it can be resumed."""

    exit_status = STOPPED


class TranscriptionInterrupted(AsrError):
    """A signal stopped a job of many recordings; finished transcripts stay."""

    exit_status = STOPPED
