"""`python -m helpers.train`, and `accelerate launch -m helpers.train`."""

from helpers.train.cli import main

main()
