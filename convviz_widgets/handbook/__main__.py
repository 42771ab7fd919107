"""``python -m convviz_widgets.handbook FOLDER [--repository OWNER/NAME]`` writes the handbook."""

import argparse
import sys
from pathlib import Path

from convviz_widgets.handbook.pages import write


def main(arguments: list[str]) -> int:
    """Writes into the folder named, and says where to begin."""
    parser = argparse.ArgumentParser(prog="python -m convviz_widgets.handbook", description="Writes the handbook.")
    parser.add_argument("folder", type=Path, help="made if it is not there")
    parser.add_argument("--repository", metavar="OWNER/NAME", default="", help="on GitHub; gives links to Binder")
    given = parser.parse_args(arguments)
    files = write(given.folder, given.repository)
    sys.stdout.write(f"{len(files)} pages; begin with {files[0]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
