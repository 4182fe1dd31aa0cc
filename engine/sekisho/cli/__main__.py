"""`python -m sekisho.cli`, the same as the command `sekisho`."""

from sekisho.cli import main

if __name__ == "__main__":
    main(prog_name="sekisho")
