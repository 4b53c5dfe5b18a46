"""The `asr` command: one short function a sub-command, no logic.

Heavy libraries are imported where they are used, so that `asr --help` answers at once.
Text goes to standard output, all else to standard error.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from asr import __version__
from asr.config import BATCH_SECONDS, DEFAULT_MODEL, JOBS, LIVE_STREAMS, NormalizerSettings, SubtitleSettings
from asr.errors import STOPPED, AsrError

app = typer.Typer(
    help="Recognise speech: from sound to text, and from recordings to a model of your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
language_app = typer.Typer(help="Language models: make, measure and ask them.", no_args_is_help=True)
app.add_typer(language_app, name="lm")
console = Console(stderr=True)
SUBTITLES = SubtitleSettings()
# Of `asr lm train`, by kind: parameters and what they are called on the command line.
LM_OPTIONS = {
    "ngram": {
        "order": "--order",
        "prune": "--prune",
        "unit": "--unit",
        "memory": "--memory",
        "vocabulary": "--vocabulary",
    },
    "rnn": {"config": "--config", "changes": "--set", "dev": "--dev", "base": "--from", "resume": "--resume"},
}

Manifests = Annotated[list[Path], typer.Argument(help="Manifests of lhotse cuts, as `asr prepare` writes them.")]
ModelName = Annotated[
    str,
    typer.Option("--model", "-m", envvar="ASR_MODEL", help="A model folder, or a name that `asr models` lists."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
PrecisionName = Annotated[
    str, typer.Option("--precision", help="fp32, bf16 or int8. Default: the fastest that costs no accuracy here.")
]
DecoderName = Annotated[
    str | None, typer.Option("--decoder", help="greedy or beam. Default: beam where there is a language model.")
]
BeamSize = Annotated[int | None, typer.Option(min=1, help="Prefixes that beam search keeps.")]
LanguageModel = Annotated[
    Path | None,
    typer.Option(
        "--lm", help="n-grams, ARPA or binary, or a recurrent model's folder. Default: the model's own, if any."
    ),
]
Rescore = Annotated[
    Path | None, typer.Option(help="A recurrent language model's folder, to read the best readings again.")
]
Hotwords = Annotated[
    list[str] | None,
    typer.Option("--hotword", help="A word or phrase to expect, as PHRASE or PHRASE:WEIGHT; repeatable."),
]
Nbest = Annotated[int, typer.Option(min=1, help="Readings to show of each recording, with their scores.")]
RawRate = Annotated[
    int | None, typer.Option(min=100, max=1_000_000, help="Hz of raw 16-bit samples on standard input.")
]
RawChannels = Annotated[int, typer.Option(min=1, max=128, help="Of raw standard input.")]
Formats = Annotated[
    list[str] | None,
    typer.Option("--format", "-f", help="txt (default), json, srt, vtt, tsv, ctm, textgrid; several with commas."),
]
OutputDir = Annotated[
    Path | None,
    typer.Option("--output-dir", "-o", help="Write files there, folders kept, instead of to standard output."),
]
MaxLineLength = Annotated[int, typer.Option(min=1, help="Characters in a line of subtitles.")]
MaxLines = Annotated[int, typer.Option(min=1, help="Lines of subtitles on the screen at once.")]
ChunkSeconds = Annotated[float, typer.Option(min=0.04, help="Seconds that are read at a time.")]
RightSeconds = Annotated[float, typer.Option(min=0, help="Seconds heard ahead before text is settled.")]
PauseSeconds = Annotated[float, typer.Option(help="Seconds of quiet that end an utterance.")]
LongestSeconds = Annotated[float, typer.Option(help="Seconds after which an utterance ends at the next breath.")]
Texts = Annotated[list[Path], typer.Argument(help="Text files, a sentence a line; .gz and .xz too.", metavar="TEXT...")]
NgramOutput = Annotated[Path, typer.Option("--output", "-o", help="NAME.arpa, NAME.arpa.gz or NAME.bin.")]
Unit = Annotated[str, typer.Option(help="What is predicted: word or char.")]
RnnFolder = Annotated[Path, typer.Argument(help="A recurrent language model's folder.", metavar="LM")]
Raw = Annotated[bool, typer.Option(help="Take the text as it is: keep case and punctuation.")]
Numbers = Annotated[
    str | None,
    typer.Option(
        "--spell-out-numbers", help="Write numbers as words of this language, such as en.", metavar="LANGUAGE"
    ),
]


def tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"asr {__version__}")
        raise typer.Exit


@app.callback()
def take_common_options(
    version: Annotated[
        bool, typer.Option("--version", callback=tell_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Options of no command."""


def main() -> None:
    """Run the command line; errors that users can mend end as one line, not as a stack trace."""
    try:
        app()
    except AsrError as error:
        word = "[yellow]stopped:[/]" if error.exit_status == STOPPED else "[bold red]error:[/]"
        console.print(f"{word} {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except BrokenPipeError:
        sys.exit(1)


@app.command()
def transcribe(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Recordings, folders of them, globs in quotes; - for standard input.", metavar="FILE..."),
    ] = None,
    list_file: Annotated[
        str | None, typer.Option("--list", help="A file of more of these, one a line; - for standard input.")
    ] = None,
    rate: RawRate = None,
    channels: RawChannels = 1,
    formats: Formats = None,
    output_dir: OutputDir = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what is in --output-dir in all formats already.")
    ] = False,
    max_line_length: MaxLineLength = SUBTITLES.max_line_length,
    max_lines: MaxLines = SUBTITLES.max_lines,
    model: ModelName = DEFAULT_MODEL,
    device: Device = "auto",
    precision: PrecisionName = "auto",
    batch_seconds: Annotated[
        float, typer.Option(min=1, help="Speech that goes through the network at once: more takes more memory.")
    ] = BATCH_SECONDS,
    jobs: Annotated[int, typer.Option(min=1, help="Threads that read audio, and as many that decode.")] = JOBS,
    decoder: DecoderName = None,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    rescore: Rescore = None,
    hotwords: Hotwords = None,
    nbest: Nbest = 1,
) -> None:
    """Write what is said in recordings: text, tables or subtitles, to standard output or into a folder."""
    from asr.jobs.inputs import Inputs
    from asr.jobs.outputs import Outputs
    from asr.jobs.transcribe import Transcribe, transcribe_files
    from asr.recognize.options import DecodingOptions
    from asr.recognize.recognizer import load_model

    def load() -> Transcribe:
        recognizer = load_model(model, device=device, precision=precision, decoding=decoding)
        return partial(recognizer.transcribe_many, batch_seconds=batch_seconds, jobs=jobs)

    decoding = DecodingOptions(decoder, beam_size, lm, hotwords or (), nbest, rescore)
    subtitles = SubtitleSettings(max_line_length=max_line_length, max_lines=max_lines)
    summary = transcribe_files(
        Inputs(paths or (), list_file, rate, channels),
        Outputs(formats or ("txt",), output_dir, skip_existing, subtitles),
        load=load,
        console=console,
    )
    raise typer.Exit(1 if summary.failures else 0)


@app.command()
def align(
    audio: Annotated[str, typer.Argument(help="A recording of any length; - for standard input.", metavar="AUDIO")],
    text_file: Annotated[Path | None, typer.Argument(help="A file with all that is said.", metavar="TEXT")] = None,
    text: Annotated[str | None, typer.Option(help="The words themselves, in place of a file.")] = None,
    rate: RawRate = None,
    channels: RawChannels = 1,
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="As transcribe's; json where none is named.")
    ] = None,
    output_dir: OutputDir = None,
    model: ModelName = DEFAULT_MODEL,
    device: Device = "auto",
) -> None:
    """Find when each word of a given text is said in a recording."""
    from asr.jobs.inputs import Inputs
    from asr.jobs.outputs import Outputs
    from asr.recognize.align import align_file

    inputs, outputs = Inputs([audio], None, rate, channels), Outputs(formats or ("json",), output_dir)
    align_file(inputs, text_file, text, model=model, outputs=outputs, device=device, console=console)


@app.command()
def plot(
    audio: Annotated[Path, typer.Argument(help="A recording.", metavar="AUDIO")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A PNG file; default: AUDIO.png here.")] = None,
    text: Annotated[str | None, typer.Option(help="What is said; else what the model recognises.")] = None,
    start: Annotated[float, typer.Option(min=0, help="Where in the recording to begin, in seconds.")] = 0.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="At most so much of it.")] = 10.0,
    model: ModelName = DEFAULT_MODEL,
    device: Device = "auto",
) -> None:
    """Draw how a recording becomes text: waveform, features, what the network says, and the words."""
    from asr.recognize.plot import plot_file

    typer.echo(plot_file(audio, output, text=text, start=start, seconds=seconds, model=model, device=device))


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A YAML file of settings; see conf/.", metavar="CONF")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings, as key.path=value.")] = None,
    resume: Annotated[bool, typer.Option(help="Continue an interrupted run.")] = False,
    devices: Annotated[
        int, typer.Option(min=1, help="Processes: GPUs, or shares of the processor; torchrun brings its own.")
    ] = 1,
    init_from: Annotated[
        str | None, typer.Option("--from", help="Start from this model's weights: a folder, or a name in `asr models`.")
    ] = None,
) -> None:
    """Train a model from recordings and their transcripts."""
    from asr.config import load_config

    base = [] if init_from is None else [f"train.init_from={init_from}"]
    settings = load_config(config, [*(overrides or []), *base])

    from asr.train.run import train as run

    run(settings, resume=resume, devices=devices, console=console)


@app.command()
def evaluate(
    manifests: Manifests,
    model: ModelName = DEFAULT_MODEL,
    json: Annotated[Path | None, typer.Option(help="Write the result there, too.")] = None,
    texts: Annotated[
        Path | None, typer.Option(help="Write there, a line each, what was said and what was heard.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Show so many of the worst utterances.")] = 5,
    add_to_card: Annotated[str | None, typer.Option(help="Add the result to the model's card under this name.")] = None,
    reliability: Annotated[Path | None, typer.Option(help="Draw there how far to believe confidences.")] = None,
    device: Device = "auto",
    decoder: DecoderName = None,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    rescore: Rescore = None,
    hotwords: Hotwords = None,
    nbest: Annotated[int, typer.Option(min=1, help="Also compare the best of so many readings of each.")] = 1,
) -> None:
    """Compare a model's text with the transcripts: word and character error rate."""
    from asr.evaluate.evaluate import evaluate_model
    from asr.recognize.options import DecodingOptions

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
        decoding=DecodingOptions(decoder, beam_size, lm, hotwords or (), nbest, rescore),
    )


@app.command()
def tune(
    manifests: Manifests,
    model: ModelName = DEFAULT_MODEL,
    lm: LanguageModel = None,
    rescore: Rescore = None,
    device: Device = "auto",
) -> None:
    """Find the weights of language models on development data and save them, and these, in the model's folder."""
    from asr.evaluate.tune import tune as run

    typer.echo(str(run(manifests, model=model, lm=lm, rescore=rescore, device=device, console=console)))


@app.command()
def calibrate(manifests: Manifests, model: ModelName = DEFAULT_MODEL, device: Device = "auto") -> None:
    """Fit the confidences of words to development data and save that in the model's folder."""
    from asr.evaluate.calibrate import calibrate as run
    from asr.evaluate.report import describe

    typer.echo(describe(run(manifests, model=model, device=device, console=console)))


@app.command()
def quantize(
    model: Annotated[str, typer.Argument(help="A model's folder, or a recurrent language model's.")],
) -> None:
    """Store a model's weights in 8 bits for 16, in half the space; recurrent language models' too."""
    from asr.recognize.model_folder import quantize as run

    for path, (before, after) in run(model).items():
        typer.echo(f"{path}\t{before / 1e6:.1f} MB\t{after / 1e6:.1f} MB")


@language_app.command("train")
def train_language_model(
    context: typer.Context,
    texts: Texts,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="n-grams: NAME.arpa, NAME.arpa.gz or NAME.bin; rnn: a folder.")
    ],
    kind: Annotated[str, typer.Option(help="ngram, or rnn: a recurrent network.")] = "ngram",
    order: Annotated[int, typer.Option(min=1, help="n-grams: words in the longest.")] = 3,
    prune: Annotated[
        str, typer.Option(help="n-grams: leave out those that occur at most so often, by order: '0 1 1'.")
    ] = "0",
    unit: Unit = "word",
    raw: Raw = False,
    numbers: Numbers = None,
    memory: Annotated[float, typer.Option(min=0.01, help="n-grams: gigabytes for sorting.")] = 2.0,
    vocabulary: Annotated[
        Path | None,
        typer.Option(help="n-grams: know the words that begin this file's lines only, such as a lexicon's."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="rnn: a YAML file of settings; see conf/.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="rnn: a setting, as key.path=value.")] = None,
    dev: Annotated[
        list[Path] | None, typer.Option(help="rnn: text to watch and choose by. Default: a share held out.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option("--from", help="rnn: start from this model's weights, to adapt it.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="rnn: continue an interrupted training.")] = False,
) -> None:
    """Make a language model of text: n-grams by modified Kneser-Ney, or a recurrent network."""
    from asr.config import load_language_config

    if kind in LM_OPTIONS:
        refuse_options_of_other_kinds(context, kind)
    if kind == "rnn":
        text_normalizer(raw, numbers)  # refuses what cannot be
        asked = ["normalizer=null"] if raw else [f"normalizer.spell_out_numbers='{numbers}'"] if numbers else []
        settings = load_language_config(config, [*(changes or []), *asked])
        from asr.train.rnn_lm import train_language_model as run

        run(texts, output, settings, dev=dev or (), base=base, resume=resume, console=console)
        return
    if kind != "ngram":
        raise AsrError(f"--kind {kind}: no such kind; there are: ngram, rnn")
    from asr.cli.console import ConsoleReporter
    from asr.jobs.language_models import build_language_model, parse_thresholds

    build_language_model(
        texts,
        output,
        order=order,
        prune=parse_thresholds(prune),
        unit=unit,
        normalizer=text_normalizer(raw, numbers),
        memory_bytes=int(memory * 2**30),
        reporter=ConsoleReporter(console),
        vocabulary=vocabulary,
    )


def text_normalizer(raw: bool, numbers: str | None) -> NormalizerSettings | None:
    """What --raw and --spell-out-numbers ask to be done to text; None: nothing.

    Raises:
        AsrError: If they contradict each other, or numbers have no such language.
    """
    from asr.text.normalize import normalize

    if raw and numbers is not None:
        raise AsrError("--raw takes the text as it is, --spell-out-numbers does not; leave one out")
    settings = NormalizerSettings(spell_out_numbers=numbers)
    normalize("1", settings)  # tells now if the language is unknown
    return None if raw else settings


def refuse_options_of_other_kinds(context: typer.Context, kind: str) -> None:
    """Raises AsrError if `asr lm train` was given an option that its --kind has no use for."""
    for other, names in LM_OPTIONS.items():
        for name, option in names.items():
            source = context.get_parameter_source(name)
            if other != kind and source is not None and source.name == "COMMANDLINE":
                raise AsrError(f"{option} is for --kind {other}; leave it out, or use that kind")


@app.command()
def lexicon(
    dictionary: Annotated[Path, typer.Argument(help="Words and their phones, a line each, such as cmudict.dict.")],
    texts: Texts,
    output: Annotated[Path, typer.Option("--output", "-o", help="The lexicon to write.")],
    least: Annotated[int, typer.Option(min=1, help="Leave out words that occur less often.")] = 1,
    exceptions: Annotated[
        Path | None, typer.Option(help="A lexicon to follow. All other words are guessed, also the dictionary's.")
    ] = None,
    raw: Raw = False,
    numbers: Numbers = None,
) -> None:
    """Make a lexicon for phones as tokens: how the words of a text are pronounced, by a dictionary or else by guess."""
    from asr.language.lexicon_builder import build_lexicon

    normalizer = text_normalizer(raw, numbers)
    count, guessed, lost = build_lexicon(
        dictionary, texts, output, least=least, normalizer=normalizer, exceptions=exceptions
    )
    told = [f"{output}: {count:,} words"]
    for words, what in ((guessed, "pronounced by guess"), (lost, "left out")):
        if words:
            told.append(f"{len(words):,} {what}, such as {', '.join(words[:5])}")
    console.print("; ".join(told), highlight=False, soft_wrap=True)


@language_app.command("mix")
def mix_language_models(
    models: Annotated[list[Path], typer.Argument(help="Two or more n-gram models.", metavar="LM...")],
    output: NgramOutput,
    dev: Annotated[
        list[Path] | None, typer.Option(help="Text of the kind that the mixture is for: it finds the weights.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Weights, one a model, in the place of --dev: '0.6 0.4'.")] = None,
    raw: Raw = False,
    numbers: Numbers = None,
) -> None:
    """Mix n-gram models, such as one of a little text of your matter and one of much other text."""
    from asr.cli.console import ConsoleReporter
    from asr.jobs.language_models import mix_language_models as run
    from asr.jobs.language_models import parse_weights

    run(
        models,
        output,
        weights=None if weights is None else parse_weights(weights),
        dev=dev or (),
        normalizer=text_normalizer(raw, numbers),
        reporter=ConsoleReporter(console),
    )


@language_app.command("prune")
def prune_language_model(
    model: Annotated[Path, typer.Argument(help="An n-gram model.", metavar="LM")],
    output: NgramOutput,
    keep: Annotated[int, typer.Option(min=0, help="n-grams at most, beside the single words.")],
) -> None:
    """Make an n-gram model smaller by what matters least to its predictions."""
    from asr.cli.console import ConsoleReporter
    from asr.jobs.language_models import prune_language_model as run

    run(model, output, keep=keep, reporter=ConsoleReporter(console))


@language_app.command("score")
def score_text(
    model: Annotated[Path, typer.Argument(help="An n-gram model's file or a recurrent one's folder.", metavar="LM")],
    texts: Texts,
    unit: Annotated[str | None, typer.Option(help="word or char. Default: what the n-grams are of.")] = None,
    raw: Raw = False,
    numbers: Numbers = None,
) -> None:
    """How well a language model predicts text; a recurrent one reads it as its own settings say."""
    from asr.jobs.language_models import measure_language_model

    measured = measure_language_model(texts, model, unit=unit, normalizer=text_normalizer(raw, numbers))
    for name, value in measured._asdict().items():
        typer.echo(f"{name}\t{value:g}" if isinstance(value, float) else f"{name}\t{value}")


@language_app.command("generate")
def generate_text(
    model: RnnFolder,
    prompt: Annotated[str, typer.Option(help="What the text goes on from.")] = "",
    length: Annotated[int, typer.Option(min=0, help="Tokens to write.")] = 500,
    temperature: Annotated[
        float, typer.Option(help="Below 1 the likely becomes likelier; 0: always the likeliest.")
    ] = 1,
    top_p: Annotated[float, typer.Option(help="Draw from the fewest tokens that hold so much probability.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed writes the same.")] = 1,
) -> None:
    """Write in the style of the text that a recurrent language model was trained on."""
    from asr.language.rnn.folder import load_rnn
    from asr.language.rnn.generate import generate

    written = generate(load_rnn(model), prompt=prompt, length=length, temperature=temperature, top_p=top_p, seed=seed)
    typer.echo(prompt, nl=False)
    for piece in written:
        typer.echo(piece, nl=False)
    typer.echo()


@language_app.command("complete")
def complete_text(
    model: RnnFolder,
    text: Annotated[str, typer.Argument(help="The beginning; a space at its end asks for a new word.")],
    count: Annotated[int, typer.Option(min=1, help="Words to show.")] = 10,
) -> None:
    """The likeliest next words, with their probabilities."""
    from asr.language.rnn.complete import complete
    from asr.language.rnn.folder import load_rnn

    for word, probability in complete(load_rnn(model), text, count=count):
        typer.echo(f"{probability:.4f}\t{word}")


@app.command()
def prepare(
    corpus: Annotated[str | None, typer.Argument(help="tsv, kaldi, an4, or a corpus that lhotse knows.")] = None,
    source: Annotated[
        Path | None, typer.Argument(help="The corpus as published, or your table.", metavar="SRC")
    ] = None,
    output: Annotated[Path | None, typer.Argument(help="Where manifests go.", metavar="OUT")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the corpora.")] = False,
) -> None:
    """Turn a corpus into manifests that training and evaluation read."""
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


@app.command()
def doctor(
    manifests: Manifests,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Check against this model's alphabet.")] = None,
) -> None:
    """List utterances that training cannot use, each with the reason."""
    from asr.corpus.doctor import diagnose

    for problem in (problems := diagnose(manifests, model)):
        typer.echo(f"{problem.utterance}\t{problem.kind}\t{problem.reason}")
    raise typer.Exit(1 if problems else 0)


@app.command()
def mic(
    model: ModelName = DEFAULT_MODEL,
    device: Annotated[str | None, typer.Option(help="Microphone: its number or part of its name.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the microphones.")] = False,
    file: Annotated[
        Path | None, typer.Option(help="Play this recording, in real time, in a microphone's place.")
    ] = None,
    save_audio: Annotated[Path | None, typer.Option(help="Keep what was heard: .wav, .flac, ...")] = None,
    save_text: Annotated[Path | None, typer.Option(help="Keep what was said: .txt, .srt, .vtt or .json.")] = None,
    chunk: ChunkSeconds = 0.4,
    right: RightSeconds = 1.0,
    pause: PauseSeconds = 0.8,
    longest: LongestSeconds = 30.0,
    decoder: DecoderName = None,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    hotwords: Hotwords = None,
) -> None:
    """Write what is said into the microphone, while it is said; Ctrl-C ends."""
    from asr.live.microphone import list_devices
    from asr.live.terminal import run
    from asr.recognize.options import DecodingOptions
    from asr.recognize.streaming.endpoints import Endpoints

    if list_all:
        for number, name, details in list_devices():
            typer.echo(f"{number}\t{name}\t{details}")
        return
    run(
        model,
        device=device,
        file=file,
        chunk=chunk,
        right=right,
        endpoints=Endpoints.after(pause, longest),
        decoding=DecodingOptions(decoder, beam_size, lm, hotwords or ()),
        console=Console(),
        save_audio=save_audio,
        save_text=save_text,
    )


@app.command()
def serve(
    model: ModelName = DEFAULT_MODEL,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The default is Vosk's; 0 takes a free one.")] = 2700,
    token: Annotated[
        str | None, typer.Option(envvar="ASR_TOKEN", help="Clients must show this: Authorization: Bearer TOKEN.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Let pages of this origin use the server, as https://example.org; repeatable."),
    ] = None,
    chunk: ChunkSeconds = 0.4,
    right: RightSeconds = 1.0,
    pause: PauseSeconds = 0.8,
    longest: LongestSeconds = 30.0,
    clients: Annotated[int, typer.Option(min=1, help="Live streams at a time.")] = LIVE_STREAMS,
    minutes: Annotated[float, typer.Option(min=0.1, help="Of sound in one stream.")] = 60,
    idle: Annotated[float, typer.Option(min=1, help="Seconds without a message after which a client must go.")] = 60,
    upload: Annotated[int, typer.Option(min=1, help="Megabytes of the largest file.")] = 100,
    device: Device = "auto",
    decoder: DecoderName = None,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    hotwords: Hotwords = None,
) -> None:
    """Recognise for others: a web page, a websocket (Vosk's protocol), and files over HTTP (OpenAI's)."""
    from asr.live.limits import Limits
    from asr.live.server import ServerSettings, run
    from asr.recognize.options import DecodingOptions
    from asr.recognize.streaming.endpoints import Endpoints

    run(
        model,
        ServerSettings(
            host,
            port,
            token,
            allow_origin or (),
            Limits(clients=clients, session_seconds=60 * minutes, idle_seconds=idle, upload_bytes=upload << 20),
        ),
        chunk=chunk,
        right=right,
        endpoints=Endpoints.after(pause, longest),
        device=device,
        decoding=DecodingOptions(decoder, beam_size, lm, hotwords or ()),
        console=console,
    )


@app.command()
def models() -> None:
    """List the models that come with asr."""
    from asr.recognize.recognizer import list_models

    for name, folder in list_models().items():
        typer.echo(f"{name}\t{folder}")
