"""python run.py experiment=demo: run what an experiment declares and judge it."""

import sys

from conf import main

if __name__ == "__main__":
    sys.exit(main())
