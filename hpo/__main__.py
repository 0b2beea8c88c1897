"""Lets ``python -m hpo`` do what the `hpo` command does."""

from hpo.cli.app import main

if __name__ == "__main__":
    main()
