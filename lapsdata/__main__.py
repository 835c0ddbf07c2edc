"""`python -m lapsdata`: the command, for launchers that start modules."""

from lapsdata.cli.main import main

if __name__ == "__main__":
    main()
