"""`asr import`: model folders from models that other programs trained."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

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


COMMANDS = {"deepspeech.pytorch": deepspeech_pytorch}
