"""Commands that make a model: prepare, doctor, train, evaluate, tune, calibrate, quantize."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from asr.cli import options
from asr.cli.console import reporter
from asr.config import DEFAULT_MODEL
from asr.errors import AsrError


def prepare(
    corpus: Annotated[
        str | None, Argument(metavar="CORPUS", help="tsv, kaldi, an4, or a corpus that lhotse knows.")
    ] = None,
    source: Annotated[Path | None, Argument(help="The corpus as published, or your own table.", metavar="SRC")] = None,
    output: Annotated[Path | None, Argument(help="Folder for the manifests.", metavar="OUT")] = None,
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
    for name, cuts in run(corpus, source, output).items():
        hours = sum(cut.duration for cut in cuts) / 3600
        typer.echo(f"{output / name}.jsonl.gz\t{len(cuts)} utterances\t{hours:.2f} h")


def doctor(
    manifests: options.Manifests,
    model: Annotated[
        str | None, Option("--model", "-m", help="Also check that this model's alphabet can spell the texts.")
    ] = None,
) -> None:
    """List utterances that training cannot use, with the reasons."""
    from asr.corpus.doctor import diagnose

    for problem in (problems := diagnose(manifests, model)):
        typer.echo(f"{problem.utterance}\t{problem.kind}\t{problem.reason}")
    raise typer.Exit(1 if problems else 0)


def train(
    config: Annotated[Path, Argument(help="YAML file of settings; see conf/.", metavar="CONF")],
    overrides: Annotated[list[str] | None, Argument(help="Settings to change.", metavar="KEY.PATH=VALUE")] = None,
    resume: options.Resume = "no",
    devices: Annotated[
        int, Option(min=1, help="Processes, each with a GPU or a share of the CPU. torchrun sets its own.")
    ] = 1,
    init_from: Annotated[
        str | None,
        Option("--from", help="Start from the weights of this model: a folder, or a name from `asr models`."),
    ] = None,
) -> None:
    """Train a model from recordings and their transcripts."""
    from asr.config import Config

    base = [] if init_from is None else [f"train.init_from={init_from}"]
    settings = Config.load(config, [*(overrides or []), *base])
    mode = options.parse_resume(resume)

    from asr.train.run import train as run

    run(settings, resume=mode, devices=devices, reporter=reporter)


def evaluate(
    manifests: options.Manifests,
    model: options.ModelName = DEFAULT_MODEL,
    json: Annotated[Path | None, Option(help="Write the result to this file.")] = None,
    texts: Annotated[
        Path | None, Option(help="Write references and hypotheses to this file, one utterance per line.")
    ] = None,
    worst: Annotated[int, Option(min=0, help="Number of worst utterances to show.")] = 5,
    add_to_card: Annotated[
        str | None, Option(metavar="NAME", help="Add the result to the model's card under this name.")
    ] = None,
    reliability: Annotated[
        Path | None, Option(help="Write a reliability diagram of word confidences (PNG) to this file.")
    ] = None,
    decoder: options.DecoderName = None,
    beam_size: options.BeamSize = None,
    lm: options.LanguageModel = None,
    rescore: options.Rescore = None,
    hotwords: options.Hotwords = None,
    nbest: Annotated[
        int | None, Option(min=1, help="Also score the best of this many hypotheses of each utterance.")
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Measure a model's word and character error rates."""
    from asr.cli.report import evaluate_model

    evaluate_model(
        manifests,
        model=model,
        device=device,
        console=Console(),
        json=json,
        worst=worst,
        add_to_card=add_to_card,
        reliability=reliability,
        texts=texts,
        decoding=options.decoding_options(
            decoder=decoder, beam_size=beam_size, lm=lm, hotwords=hotwords, nbest=nbest, rescore=rescore
        ),
    )


def tune(
    manifests: options.Manifests,
    model: options.ModelName = DEFAULT_MODEL,
    lm: options.LanguageModel = None,
    rescore: options.Rescore = None,
    device: options.Device = "auto",
) -> None:
    """Fit language model weights to development data; save them and the models in the folder."""
    from asr.evaluate.tune import tune as run

    typer.echo(str(run(manifests, model=model, lm=lm, rescore=rescore, device=device, reporter=reporter)))


def calibrate(
    manifests: options.Manifests, model: options.ModelName = DEFAULT_MODEL, device: options.Device = "auto"
) -> None:
    """Calibrate word confidences on development data; save them in the model folder."""
    from asr.cli.report import describe_reliability
    from asr.evaluate.calibrate import calibrate as run

    typer.echo(describe_reliability(run(manifests, model=model, device=device, reporter=reporter)))


def quantize(model: Annotated[str, Argument(help="Model folder, or a recurrent language model's folder.")]) -> None:
    """Store a model's weights in 8 bits instead of 16, which halves their size."""
    from asr.recognize.model_folder import quantize as run

    for path, (before, after) in run(model).items():
        typer.echo(f"{path}\t{before / 1e6:.1f} MB\t{after / 1e6:.1f} MB")
