"""Run ``python -m factorate`` as the command ``factorate``."""

import sys

from factorate.cli import main

sys.exit(main())
