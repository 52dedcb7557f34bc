"""`python -m helpers.train`, and `accelerate launch -m helpers.train`."""

from helpers.train.cli import main

if __name__ == "__main__":  # not in the workers of a DataLoader, which import this file again where they are spawned
    main().accelerator.end_training()  # leaves the process group, whose threads may outlive the interpreter
