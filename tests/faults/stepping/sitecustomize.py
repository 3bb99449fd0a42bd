"""Python imports this by its name where the fault run puts the folder on the path of a process: see steps.py."""

import os
import sys
from pathlib import Path

from tests.faults.steps import FOLDER, Finder

if FOLDER in os.environ:
    sys.meta_path.insert(0, Finder(Path(os.environ[FOLDER])))
