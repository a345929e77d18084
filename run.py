"""python run.py experiment=demo: run what an experiment declares and judge it."""

from conf import main
from probes.streams import leave

if __name__ == "__main__":
    leave(main())
