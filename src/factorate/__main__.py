"""`python -m factorate` is the command `factorate`."""

import sys

from factorate.cli import main

sys.exit(main())
