"""Run the command line from a checkout: ``python cli.py train --dataset faces``."""

from scratchgan.commands import main

if __name__ == "__main__":
    main()
