"""Commands that recognise recordings: transcribe, align, plot; and that list, import and export models."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from asr.cli import options
from asr.cli.console import reporter
from asr.config import BATCH_SECONDS, DEFAULT_MODEL, JOBS, SAMPLE_RATE, SubtitleSettings
from asr.errors import AsrError, TranscriptionInterrupted

if TYPE_CHECKING:
    from asr.jobs.transcribe import Transcribe

_ImportOutput = Annotated[Path, Argument(metavar="OUT", help="Folder to write.")]
_Licence = Annotated[str, Option("--licence", help="Licence of the model, for the model card.")]
_Source = Annotated[str, Option("--source", help="Where the model comes from, such as an address, for the model card.")]


def transcribe(
    paths: Annotated[
        list[str] | None, Argument(help="Recordings, folders, quoted globs; - for standard input.", metavar="FILE")
    ] = None,
    list_file: Annotated[
        str | None, Option("--list", help="File with more, one per line; - for standard input.")
    ] = None,
    formats: options.Formats = ["txt"],  # noqa: B006  Typer shows a list as the default, but no tuple
    output_dir: options.OutputDir = None,
    skip_existing: Annotated[bool, Option("--skip-existing", help="Skip recordings already in --output-dir.")] = False,
    model: options.ModelName = DEFAULT_MODEL,
    decoder: options.DecoderName = None,
    beam_size: options.BeamSize = None,
    lm: options.LanguageModel = None,
    rescore: options.Rescore = None,
    hotwords: options.Hotwords = None,
    punctuate: options.Punctuate = None,
    numbers: options.NumberStyle = None,
    nbest: Annotated[int | None, Option(min=1, help="Show the N best hypotheses with their scores.")] = None,
    rate: options.RawRate = None,
    channels: options.RawChannels = 1,
    channel: options.ChannelName = "mix",
    max_line_length: options.MaxLineLength = options.SUBTITLES.max_line_length,
    max_lines: options.MaxLines = options.SUBTITLES.max_lines,
    device: options.Device = "auto",
    precision: options.PrecisionName = "auto",
    batch_seconds: Annotated[float, Option(min=1, help="Speech per batch; more takes more memory.")] = BATCH_SECONDS,
    jobs: Annotated[int, Option(min=1, help="Threads that read audio, and as many that decode.")] = JOBS,
    cluster: Annotated[
        str | None,
        Option(metavar="auto|ray://HOST:PORT|local[:N]", help="Let a Ray cluster do it (the extra `cluster`)."),
    ] = None,
    shards: Annotated[str | None, Option(help="With --cluster: jsonl or parquet, files of many recordings.")] = None,
    report: Annotated[
        str | None, Option(metavar="FILE", help="JSON file for counts and each failure's reason.")
    ] = None,
) -> None:
    """Transcribe recordings to text, subtitles or tables."""
    from asr.jobs.inputs import Inputs
    from asr.jobs.outputs import Outputs, write_report
    from asr.jobs.transcribe import transcribe_files
    from asr.recognize.recognizer import load_model

    def load() -> "Transcribe":
        recognizer = load_model(model, device=device, precision=precision, decoding=decoding)
        return partial(recognizer.transcribe_many, channel=choice, batch_seconds=batch_seconds, jobs=jobs)

    choice = options.parse_channel(channel)
    _check_options(choice == "each" and nbest is not None, shards is not None and cluster is None)
    decoding = options.decoding_options(
        decoder=decoder,
        beam_size=beam_size,
        lm=lm,
        hotwords=hotwords,
        nbest=nbest,
        rescore=rescore,
        punctuate=punctuate,
        numbers=numbers,
    )
    subtitles = SubtitleSettings(max_line_length=max_line_length, max_lines=max_lines)
    inputs = Inputs(paths or (), list_file, rate, channels)
    outputs = Outputs(formats, output_dir, skip_existing, subtitles)
    try:
        if cluster is None:
            summary = transcribe_files(inputs, outputs, load=load, reporter=reporter)
        else:
            from asr.cluster.job import ClusterOptions, transcribe_on_cluster

            how = ClusterOptions(cluster, model, decoding, choice, precision, batch_seconds, jobs, shards)
            summary = transcribe_on_cluster(inputs, outputs, how, reporter=reporter)
    except TranscriptionInterrupted as error:
        remedy = "add --output-dir to be able to continue with" if output_dir is None else "to continue, add"
        raise TranscriptionInterrupted(f"{error}; {remedy} --skip-existing") from None
    if report is not None:
        write_report(report, summary.to_dict())
    raise typer.Exit(1 if summary.failures else 0)


def _check_options(lists_texts_by_channel: bool, has_shards_without_cluster: bool) -> None:
    if has_shards_without_cluster:
        raise AsrError("--shards are written by the workers of a cluster; add --cluster, such as --cluster local")
    if lists_texts_by_channel:
        raise AsrError(
            "--nbest lists texts of a whole recording; with --channel each there are several, so leave it out"
        )


def align(
    audio: Annotated[str, Argument(help="Recording of any length; - for standard input.", metavar="AUDIO")],
    text_file: Annotated[Path | None, Argument(help="File with everything that is said.", metavar="TEXT")] = None,
    text: Annotated[str | None, Option(help="The words themselves, instead of a file.")] = None,
    formats: options.Formats = ["json"],  # noqa: B006
    output_dir: options.OutputDir = None,
    model: options.ModelName = DEFAULT_MODEL,
    rate: options.RawRate = None,
    channels: options.RawChannels = 1,
    channel: options.ChannelName = "mix",
    device: options.Device = "auto",
) -> None:
    """Find when each word of a given text is said in a recording."""
    from asr.jobs.align import align_file
    from asr.jobs.inputs import Inputs
    from asr.jobs.outputs import Outputs

    if (text_file is None) == (text is None):
        raise AsrError("give the text once: a file after the recording, or --text 'the words'")
    inputs, outputs = Inputs([audio], None, rate, channels), Outputs(formats, output_dir)
    choice = options.parse_channel(channel)
    if choice == "each":
        raise AsrError(
            "--channel each: a text belongs to one channel; align each with its own: --channel 0, --channel 1"
        )
    words = text_file or text or ""
    align_file(inputs, words, outputs, model=model, channel=choice, device=device, reporter=reporter)


def plot(
    audio: Annotated[Path, Argument(help="Recording.", metavar="AUDIO")],
    output: Annotated[Path | None, Option("--output", "-o", help="PNG file. Default: ./AUDIO.png.")] = None,
    text: Annotated[str | None, Option(help="What is said. Default: what the model recognises.")] = None,
    start: Annotated[float, Option(min=0, help="Seconds into the recording at which to begin.")] = 0.0,
    seconds: Annotated[float, Option(min=0.1, help="Most seconds to draw.")] = 10.0,
    model: options.ModelName = DEFAULT_MODEL,
    device: options.Device = "auto",
) -> None:
    """Plot how a recording becomes text: waveform, features, network output and words."""
    from asr.recognize.plot import plot_file

    typer.echo(plot_file(audio, output, text=text, start=start, seconds=seconds, model=model, device=device))


def models() -> None:
    """List the models that come with asr."""
    from asr.recognize.model_folder import list_models

    for name, folder in list_models().items():
        typer.echo(f"{name}\t{folder}")


def export(
    model: Annotated[str, Argument(metavar="MODEL", help="Model folder, or a name from `asr models`.")],
    output: Annotated[Path, Argument(metavar="FILE", help="File to write.")],
    format_name: Annotated[str, Option("--format", help="Only onnx.")] = "onnx",
    precision: Annotated[
        str, Option("--precision", help="fp32, for every runtime, or int8, for ONNX Runtime.")
    ] = "fp32",
) -> None:
    """Write a model as one file, which other programs can run."""
    from asr.recognize.model_folder import read_model
    from asr.recognize.onnx_file import write_onnx

    if format_name != "onnx":
        raise AsrError(f"--format {format_name}: no such format; there is: onnx")
    write_onnx(read_model(model), output, precision=precision)
    typer.echo(f"{output}\t{output.stat().st_size / 1e6:.1f} MB")


def import_deepspeech_pytorch_model(
    checkpoint: Annotated[Path, Argument(metavar="CHECKPOINT", help="Checkpoint of version 2 or 3.")],
    output: _ImportOutput,
    licence: _Licence = "",
    source: _Source = "",
) -> None:
    """Import a checkpoint of SeanNaren's deepspeech.pytorch."""
    from asr.convert.deepspeech_pytorch import import_deepspeech_pytorch
    from asr.convert.folder import ImportOptions

    import_deepspeech_pytorch(checkpoint, ImportOptions(output, licence, source))
    typer.echo(output)


def import_coqui_model(
    model: Annotated[Path, Argument(metavar="MODEL", help="Its file: .tflite, .pb or .pbmm.")],
    output: _ImportOutput,
    alphabet: Annotated[
        Path | None, Option(help="Its alphabet.txt. Default: the alphabet in the file.", metavar="FILE")
    ] = None,
    scorer: Annotated[Path | None, Option(help="Its language model: .scorer, or ARPA.", metavar="FILE")] = None,
    licence: _Licence = "",
    source: _Source = "",
) -> None:
    """Import a model of Coqui STT or Mozilla DeepSpeech."""
    from asr.convert.coqui import import_coqui
    from asr.convert.folder import ImportOptions

    import_coqui(model, ImportOptions(output, licence, source), alphabet=alphabet, scorer=scorer)
    typer.echo(output)


def import_onnx_model(
    model: Annotated[Path, Argument(metavar="MODEL", help="CTC model in ONNX with the metadata of sherpa-onnx.")],
    output: _ImportOutput,
    tokens: Annotated[Path, Option(help="Its tokens.txt.", metavar="FILE")],
    sample_rate: Annotated[int, Option(min=1, help="Hz of its training speech.")] = SAMPLE_RATE,
    licence: _Licence = "",
    source: _Source = "",
) -> None:
    """Import a CTC model of icefall, NeMo or WeNet, as exported for sherpa-onnx."""
    from asr.convert.folder import ImportOptions
    from asr.convert.onnx_ctc import import_onnx

    import_onnx(model, tokens, ImportOptions(output, licence, source), sample_rate=sample_rate)
    typer.echo(output)


IMPORTS: dict[str, Callable[..., None]] = {
    "coqui": import_coqui_model,
    "deepspeech.pytorch": import_deepspeech_pytorch_model,
    "onnx": import_onnx_model,
}
