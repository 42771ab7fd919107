"""``python -m convviz_widgets.handbook FOLDER`` writes the handbook."""

import sys
from pathlib import Path

from convviz_widgets.handbook.pages import write


def main(arguments: list[str]) -> int:
    """Writes into the folder named, and says where to begin."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m convviz_widgets.handbook FOLDER\n")
        return 2
    files = write(Path(arguments[0]))
    sys.stdout.write(f"{len(files)} pages; begin with {files[0]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
