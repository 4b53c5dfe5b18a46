"""The command line: the only part that names a flag or writes to a console."""
