"""``python -m volo_app``: the same as ``volo``."""

import sys

from volo_app.cli import main

if __name__ == "__main__":
    sys.exit(main())
