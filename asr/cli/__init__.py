"""The command line: the only part that names options or writes to a console.

app (signals, streams, errors) -> commands (the list) -> recognize, live, training, language (the commands) -> options
(what they share), console (progress and messages), report (evaluations), terminal (live text). extras: what to install
for a command.
"""

import os

# Otherwise pydantic searches all installed packages for plugins at every start, which takes as long as its own import.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from asr.cli.app import main as main
