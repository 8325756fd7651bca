"""`python -m losscompiler` is `losscompiler`."""

import sys

from losscompiler.cli import main

sys.exit(main())
