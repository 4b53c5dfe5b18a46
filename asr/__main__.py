"""`python -m asr`: the command line, whatever the search path of programs."""

from asr.cli.app import main

if __name__ == "__main__":
    main()
