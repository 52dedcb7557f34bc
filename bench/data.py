"""What the bench works on: the bundled corpora, or folders that hold texts or pairs of sentences."""

from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset, concatenate_datasets, load_dataset
from transformers import AutoTokenizer

from helpers.paths import MINI_BERT, ROOT

SIZE = 128  # tokens in a chunk


@dataclass
class Setup:
    """One run of the bench.

    Attributes:
        scratch: Where data sets may be written.
        folders: Given data sets; one with a column ``text`` takes the reviews' place, one with ``sentence1`` the pairs'.
        quick: Sizes for a test that the bench works, whose figures mean nothing.
    """

    scratch: Path
    folders: list[Path] = field(default_factory=list)
    quick: bool = False

    def __post_init__(self):
        self.tokenizer = AutoTokenizer.from_pretrained(MINI_BERT)

    def size(self, full: int, quick: int) -> int:
        """Return one of two sizes."""
        return quick if self.quick else full

    def folder_with(self, column: str) -> Path | None:
        """Return the given folder whose rows have the column."""
        return next((folder for folder in self.folders if column in self.splits(folder)["train"].column_names), None)

    def texts(self, count: int) -> Dataset:
        """Return so many texts in a column ``text``; few texts are repeated."""
        splits = self.splits(self.folder_with("text") or ROOT / "lab" / "corpora" / "reviews")
        rows = concatenate_datasets(list(splits.values())).select_columns("text")
        return concatenate_datasets([rows] * -(-count // len(rows))).select(range(count)).flatten_indices()

    def pairs(self) -> Dataset:
        """Return pairs to train on, with ``sentence1``, ``sentence2`` and ``label``."""
        return self.splits(self.folder_with("sentence1") or ROOT / "lab" / "corpora" / "paraphrases")["train"]

    def splits(self, folder: Path) -> dict:
        """Return the splits of a folder."""
        return load_dataset(str(folder), cache_dir=str(self.scratch))
