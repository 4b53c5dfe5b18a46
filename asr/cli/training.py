"""Commands that make a model: prepare, shard, doctor, train, evaluate, report, tune, calibrate, quantize."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from asr.cli import options
from asr.cli.console import reporter
from asr.config import DEFAULT_MODEL
from asr.errors import AsrError, ModelError


def prepare(
    corpus: Annotated[
        str | None, Argument(metavar="CORPUS", help="tsv, kaldi, an4 or a corpus that lhotse knows.")
    ] = None,
    source: Annotated[Path | None, Argument(help="The corpus as published, or your own table.", metavar="SRC")] = None,
    output: Annotated[Path | None, Argument(help="Folder for the manifests.", metavar="OUT")] = None,
    channel: options.ChannelName = "mix",
    list_all: Annotated[bool, Option("--list", help="List the corpora.")] = False,
) -> None:
    """Turn a corpus into manifests for training and evaluation."""
    from asr.corpus.prepare import list_corpora
    from asr.corpus.prepare import prepare as run

    if list_all:
        for name, description in list_corpora().items():
            typer.echo(f"{name}\t{description}")
        return
    if corpus is None or source is None or output is None:
        raise AsrError(
            "prepare needs a corpus, its folder and an output folder: asr prepare an4 SRC OUT; "
            "for your own recordings: asr prepare tsv TABLE OUT"
        )
    for name, cuts in run(corpus, source, output, channel=options.parse_channel(channel)).items():
        hours = sum(cut.duration for cut in cuts) / 3600
        typer.echo(f"{output / name}.jsonl.gz\t{len(cuts)} utterances\t{hours:.2f} h")


def shard(
    manifests: options.Manifests,
    output: Annotated[
        str, Option("--output", "-o", metavar="FOLDER", help="Folder for the shards, by path or URL such as s3://...")
    ],
    megabytes: Annotated[float, Option(min=0.001, help="Size of a shard, about.")] = 100.0,
    flac: Annotated[
        bool,
        Option("--flac", help="Store all sound as FLAC. Otherwise files that hold one utterance stay as they are."),
    ] = False,
) -> None:
    """Pack utterances into few large files, from which training reads, also from an object store."""
    from asr.corpus.shards import write_shards

    is_complete = True
    for done in write_shards(manifests, output, megabytes=megabytes, flac=flac, reporter=reporter):
        for problem in done.left_out:
            typer.echo(f"{problem.utterance}\t{problem.kind}\t{problem.reason}")
            is_complete = False
        count, hours = done.num_utterances, done.seconds / 3600
        typer.echo(f"{done.manifest}\t{count} utterances\t{hours:.2f} h\t{done.num_shards} shards")
    raise typer.Exit(0 if is_complete else 1)


def doctor(
    manifests: options.Manifests,
    model: Annotated[str | None, Option("--model", "-m", help="Model whose alphabet must spell the texts.")] = None,
) -> None:
    """List utterances that training cannot use, with the reasons."""
    from asr.corpus.doctor import diagnose

    for problem in (problems := diagnose(manifests, model, reporter=reporter)):
        typer.echo(f"{problem.utterance}\t{problem.kind}\t{problem.reason}")
    if not problems:
        reporter.line("no problems")
    raise typer.Exit(1 if problems else 0)


def train(
    config: Annotated[Path, Argument(help="YAML file of settings; see conf/.", metavar="CONF")],
    overrides: Annotated[list[str] | None, Argument(help="Settings to change.", metavar="KEY.PATH=VALUE")] = None,
    resume: options.Resume = "no",
    devices: Annotated[
        int, Option(min=1, help="Processes, each with a GPU or a share of the CPU. torchrun sets its own.")
    ] = 1,
    init_from: Annotated[
        str | None, Option("--from", help="Start from the weights of this model (folder or name).")
    ] = None,
    nodes: Annotated[int, Option(min=1, help="Machines; give the same command on each, with its own --node-rank.")] = 1,
    node_rank: Annotated[int, Option(min=0, help="Number of this machine, from 0.")] = 0,
    master: Annotated[str, Option(metavar="HOST:PORT", help="Machine 0, and a free port there.")] = "localhost:29500",
    restarts: Annotated[
        int, Option(min=0, help="Times that the run goes on by itself when a machine comes back after it died.")
    ] = 0,
) -> None:
    """Train a model from recordings and their transcripts."""
    from asr.config import Config

    # Torch, once it is loaded, warns of a choice that train/launch.py makes on purpose.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    base = [] if init_from is None else [f"train.init_from={init_from}"]
    settings = Config.load(config, [*(overrides or []), *base])
    mode = options.parse_resume(resume)
    if (nodes > 1 or node_rank or restarts) and not options.is_started_by_torchrun():
        options.start_torchrun(nodes, node_rank, master, devices, restarts)

    from asr.train.run import train as run

    run(settings, resume=mode, devices=devices, reporter=reporter)


def evaluate(
    manifests: options.Manifests,
    model: options.ModelName = DEFAULT_MODEL,
    json: Annotated[Path | None, Option(help="Write the result to this file.")] = None,
    texts: Annotated[Path | None, Option(help="Write references and hypotheses to this TSV file.")] = None,
    worst: Annotated[int, Option(min=0, help="Number of worst utterances to show.")] = 5,
    add_to_card: Annotated[str | None, Option(metavar="NAME", help="Add the result to the model card as NAME.")] = None,
    reliability: Annotated[Path | None, Option(help="PNG file for a reliability diagram of word confidences.")] = None,
    decoder: options.DecoderName = None,
    beam_size: options.BeamSize = None,
    lm: options.LanguageModel = None,
    rescore: options.Rescore = None,
    hotwords: options.Hotwords = None,
    nbest: Annotated[int | None, Option(min=1, help="Also score the best of this many hypotheses.")] = None,
    device: options.Device = "auto",
    precision: options.PrecisionName = "auto",
) -> None:
    """Measure a model's word and character error rates."""
    from asr.cli.report import print_report
    from asr.corpus.cuts import load_cuts
    from asr.evaluate import report as files
    from asr.evaluate.evaluate import evaluate as run
    from asr.evaluate.reliability import draw_reliability
    from asr.recognize.model_folder import find_writable_model
    from asr.recognize.recognizer import load_model

    decoding = options.decoding_options(
        decoder=decoder, beam_size=beam_size, lm=lm, hotwords=hotwords, nbest=nbest, rescore=rescore
    )
    recognizer = load_model(model, device=device, precision=precision, decoding=decoding)
    if reliability is not None and recognizer.settings.confidence is None:
        raise ModelError(f"{model}: its confidences are not calibrated; `asr calibrate` does that on development data")
    folder = None if add_to_card is None else find_writable_model(model)
    if folder is not None:
        files.read_results(folder)  # fails before the work if there is no card to add to
    evaluation = run(recognizer, load_cuts(manifests))
    # Files first: standard output may be closed or full.
    if json is not None:
        files.write_json(json, files.to_json(evaluation, _name_model(model)))
    if texts is not None:
        files.write_texts(texts, evaluation)
    if reliability is not None and evaluation.reliability is not None:
        draw_reliability(evaluation.reliability, reliability)
    if folder is not None and add_to_card is not None:
        files.add_result(folder, add_to_card, evaluation.rates, evaluation.reliability)
    print_report(evaluation, Console(), worst=worst)
    for error in evaluation.failures:
        reporter.line(str(error), "failure")
    if evaluation.failures:
        raise typer.Exit(1)


def _name_model(model: str) -> str:
    """Return what finds a model from any folder: its name, or the absolute path of its folder."""
    return str(Path(model).resolve()) if Path(model).exists() else model


def report(
    results: Annotated[
        list[Path],
        Argument(metavar="RESULT", help="Results of `asr evaluate --json`, or of `--texts` (less on the page)."),
    ],
    output: Annotated[Path, Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    worst: Annotated[int, Option(min=0, help="Number of worst utterances to show, with their sound.")] = 10,
) -> None:
    """Make a web page of results: error rates, worst utterances with sound, systems side by side."""
    from asr.evaluate.page.render import write_page

    write_page(results, output, worst=worst, reporter=reporter)
    typer.echo(str(output))


def tune(
    manifests: options.Manifests,
    model: options.ModelName = DEFAULT_MODEL,
    lm: options.LanguageModel = None,
    rescore: options.Rescore = None,
    device: options.Device = "auto",
) -> None:
    """Fit decoder weights to development data; save them, with the language models, in the model folder."""
    from asr.evaluate.tune import tune as run

    typer.echo(str(run(manifests, model=model, lm=lm, rescore=rescore, device=device, reporter=reporter)))


def calibrate(
    manifests: options.Manifests, model: options.ModelName = DEFAULT_MODEL, device: options.Device = "auto"
) -> None:
    """Calibrate confidences of words and phrases on development data; save them in the model folder."""
    from asr.cli.report import describe_reliability
    from asr.evaluate.calibrate import calibrate as run

    typer.echo(describe_reliability(run(manifests, model=model, device=device, reporter=reporter)))


def quantize(
    model: Annotated[str, Argument(metavar="MODEL", help="Model folder, or a recurrent language model's folder.")],
) -> None:
    """Store a model's weights in 8 bits instead of 16, which halves their size."""
    from asr.recognize.model_folder import quantize as run

    for path, (before, after) in run(model).items():
        typer.echo(f"{path}\t{before / 1e6:.1f} MB\t{after / 1e6:.1f} MB")


COMMANDS = (prepare, shard, doctor, train, evaluate, report, tune, calibrate, quantize)
