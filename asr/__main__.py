"""`python -m asr`: the command line, even if `asr` is not on the PATH."""

from asr.cli.app import main

if __name__ == "__main__":
    main()
