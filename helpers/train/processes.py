"""A function of a notebook in several processes, started by `accelerate launch`.

`accelerate.notebook_launcher` forks the notebook, which needs Linux, and a GPU that the notebook has not used. New processes need neither,
but the function has to travel to them: dill takes it there with the variables that it uses.

As a program this file is one of these processes.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import dill  # comes with datasets
from torch import distributed

from helpers.i18n import say
from helpers.paths import ROOT


def launch(function: Callable[[], object], processes: int) -> list:
    """Call a function in new processes that Accelerate connects, each on one CPU core; what they print is printed here.

    Args:
        function: Makes an ``Accelerator(cpu=True)``. It gets copies of the notebook's variables that it uses.
        processes: How many to start.

    Returns:
        What the function returns in each process, in the order of their ranks.

    Raises:
        RuntimeError: The function raises an error in one of them.
    """
    configuration = ROOT / "configs" / "two_cpu_processes.yaml"
    command = [sys.executable, "-m", "accelerate.commands.launch", f"--config_file={configuration}", f"--num_processes={processes}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with TemporaryDirectory() as folder:
        (Path(folder) / "function").write_bytes(dill.dumps(function, recurse=True))
        done = subprocess.run([*command, "-m", __name__, folder], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(say("A process has failed, and the others have ended with it:\n{report}", report=done.stderr))
        print(done.stdout, end="")
        return [dill.loads((Path(folder) / f"result-{rank}").read_bytes()) for rank in range(processes)]


def main(folder: Path) -> None:
    """Call the function that `launch` has left in a folder, and leave there what it returns."""
    function = dill.loads((folder / "function").read_bytes())
    result = dill.dumps(function())
    (folder / f"result-{os.environ.get('RANK', 0)}").write_bytes(result)
    if distributed.is_initialized():  # its threads may outlive the interpreter, which then aborts
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
