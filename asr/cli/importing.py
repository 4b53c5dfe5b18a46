"""`asr import`: model folders from models that other programs trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from asr.config import SAMPLE_RATE

Output = Annotated[Path, Argument(metavar="OUT", help="Folder to write.")]
Licence = Annotated[str, Option("--licence", help="Licence of the model, for the model card.")]
Source = Annotated[str, Option("--source", help="Where the model comes from, such as an address, for the model card.")]


def deepspeech_pytorch(
    checkpoint: Annotated[Path, Argument(metavar="CHECKPOINT", help="Checkpoint of version 2 or 3.")],
    output: Output,
    licence: Licence = "",
    source: Source = "",
) -> None:
    """Import a checkpoint of SeanNaren's deepspeech.pytorch."""
    from asr.convert.deepspeech_pytorch import import_deepspeech_pytorch
    from asr.convert.folder import ImportOptions

    import_deepspeech_pytorch(checkpoint, ImportOptions(output, licence, source))
    typer.echo(output)


def coqui(
    model: Annotated[Path, Argument(metavar="MODEL", help="File for TensorFlow Lite (.tflite).")],
    output: Output,
    alphabet: Annotated[
        Path | None, Option(help="Its alphabet.txt. Default: the alphabet in the file.", metavar="FILE")
    ] = None,
    scorer: Annotated[Path | None, Option(help="Its language model: .scorer, or ARPA.", metavar="FILE")] = None,
    licence: Licence = "",
    source: Source = "",
) -> None:
    """Import a model of Coqui STT or Mozilla DeepSpeech."""
    from asr.convert.coqui import import_coqui
    from asr.convert.folder import ImportOptions

    import_coqui(model, ImportOptions(output, licence, source), alphabet=alphabet, scorer=scorer)
    typer.echo(output)


def onnx(
    model: Annotated[Path, Argument(metavar="MODEL", help="CTC model in ONNX with the metadata of sherpa-onnx.")],
    output: Output,
    tokens: Annotated[Path, Option(help="Its tokens.txt.", metavar="FILE")],
    sample_rate: Annotated[int, Option(min=1, help="Hz of its training speech.")] = SAMPLE_RATE,
    licence: Licence = "",
    source: Source = "",
) -> None:
    """Import a CTC model of icefall, NeMo or WeNet, as exported for sherpa-onnx."""
    from asr.convert.folder import ImportOptions
    from asr.convert.onnx_ctc import import_onnx

    import_onnx(model, tokens, ImportOptions(output, licence, source), sample_rate=sample_rate)
    typer.echo(output)


COMMANDS: dict[str, Callable[..., None]] = {
    "coqui": coqui,
    "deepspeech.pytorch": deepspeech_pytorch,
    "onnx": onnx,
}
