"""Run the command line: `python -m services.cli`."""

import sys

from services.cli.app import main

sys.exit(main())
