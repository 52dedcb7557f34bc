"""What the bench works on: the bundled corpora, or folders that hold texts or pairs of sentences."""

from dataclasses import dataclass
from pathlib import Path

from helpers.paths import MINI_BERT, ROOT
from helpers.precision import default_device


@dataclass
class Setup:
    """One run of the bench.

    Attributes:
        folders: Given data sets; one with a column ``text`` takes the reviews' place, one with ``sentence1`` the pairs'.
        scratch: Where data sets may be written.
        quick: Sizes for a test that the bench works, whose figures mean nothing.
        device: "cuda" or "cpu".
    """

    folders: list[Path]
    scratch: Path
    quick: bool = False
    device: str = ""

    def __post_init__(self):
        self.device = self.device or ("cuda" if default_device().type == "cuda" else "cpu")

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def folder_with(self, column: str) -> Path | None:
        """The given folder whose rows have the column."""
        return next((folder for folder in self.folders if column in _rows(folder, self.scratch).column_names), None)

    def texts(self, count: int):
        """A data set of so many texts in a column ``text``, on disk; few texts are repeated."""
        from datasets import concatenate_datasets

        folder = self.folder_with("text")
        rows = _rows(folder or str(ROOT / "lab" / "corpora" / "reviews"), self.scratch).select_columns("text")
        return concatenate_datasets([rows] * -(-count // len(rows))).select(range(count)).flatten_indices()

    def pairs(self):
        """Pairs to train on, with ``sentence1``, ``sentence2`` and ``label``."""
        return _rows(self.folder_with("sentence1") or str(ROOT / "lab" / "corpora" / "paraphrases"), self.scratch, split="train")


def _rows(folder, scratch: Path, split: str | None = None):
    """One split of a folder, or all of them in one."""
    from datasets import concatenate_datasets, load_dataset

    splits = load_dataset(str(folder), cache_dir=str(scratch))
    return splits[split] if split else concatenate_datasets(list(splits.values()))


def tokenizer():
    """That of the bundled checkpoint, which all cases use."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MINI_BERT)
