"""What a user can get wrong, each told in one sentence with a way out."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HUB_PATIENCE = 10  # seconds; the Hub's own client retries for half a minute before it gives up


def place(name: str, what: str) -> str:
    """A Hub id as it is; a folder as an absolute path, relative ones counted from the repository root.

    Raises:
        FileNotFoundError: `name` is written as a path and there is no such folder.
    """
    path = Path(name).expanduser()
    if (ROOT / path).is_dir():
        return str((ROOT / path).resolve())
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise FileNotFoundError(
            f"There is no folder {name!r} for {what} (relative paths count from the repository root); "
            "give an existing folder or a Hub id such as 'owner/name'."
        )
    return name


def cache_by_content(folder: str, where: str) -> None:
    """Makes `datasets` keep what it reads from a folder under `where`, apart for every state of the folder.

    Its own cache knows a folder by its paths alone, and would go on serving rows that have been edited since.

    Args:
        folder: The data set's folder.
        where: An output folder.
    """
    import datasets

    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    state = [(str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((folder, state)).encode()).hexdigest()[:16]
    datasets.config.HF_DATASETS_CACHE = Path(where) / "cache" / key


def weights(folder: str) -> None:
    """Opens every safetensors file of a folder, without reading the tensors.

    Raises:
        OSError: There is none, or one is damaged.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise OSError(f"{folder} holds no *.safetensors weights; only this format is loaded, since a pickle can run code.")
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise OSError(
                f"The weights {file} are damaged ({error}); bring back a bundled file by 'git checkout -- lab', or copy your own again."
            ) from None


def hub(names: Sequence[str]) -> None:
    """Asks the Hub for a sign of life, unless every name is a folder or HF_HUB_OFFLINE asks for the caches alone.

    Raises:
        ConnectionError: The Hub does not answer.
    """
    wanted = [name for name in names if not Path(name).is_absolute()]
    if not wanted or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return  # offline, the libraries look into their caches and fail at once
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=HUB_PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # it answered
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"{', '.join(wanted)} should come from the Hub, but {endpoint} cannot be reached ({error}): "
            "take profile='lab', which needs no network, name a mirror (HF_ENDPOINT, set before Python starts), "
            "give folders as dataset= and checkpoint=, or set HF_HUB_OFFLINE=1 if all is in the cache."
        ) from None


def corpus(dataset, text_column: str, splits: Sequence[str] = ("train",)) -> None:
    """Whether a `DatasetDict` has the splits, the text column, and rows enough to hold some out.

    Raises:
        KeyError: A split or the column is missing.
        ValueError: A split has fewer than two rows.
    """
    for split in splits:
        if split not in dataset:
            raise _KeyError(
                f"The data set has no split {split!r}, only {', '.join(dataset)}; name its file {split}.parquet (jsonl, csv, txt)."
            )
        if text_column not in dataset[split].column_names:
            columns = ", ".join(dataset[split].column_names)
            raise _KeyError(f"The data set has no column {text_column!r}, only {columns}; name the one with the texts: text_column=…")
        if len(dataset[split]) < 2:
            raise ValueError(
                f"The split {split!r} has too few rows ({len(dataset[split])}): one to learn from and one to test on are the least."
            )


def pairs(dataset, splits: Sequence[str] = ("train", "validation")) -> None:
    """Whether a `DatasetDict` has labelled pairs of sentences in these splits, as MRPC has them.

    Raises:
        KeyError: A split or a column is missing.
        ValueError: A split has fewer than two rows, or a label that is neither 0 nor 1.
    """
    for split in splits:
        if split not in dataset:
            raise _KeyError(f"The data set has no split {split!r}, only {', '.join(dataset)}; name its file {split}.parquet (jsonl, csv).")
        if missing := {"sentence1", "sentence2", "label"} - set(dataset[split].column_names):
            columns = ", ".join(dataset[split].column_names)
            raise _KeyError(f"The data set has no column {min(missing)!r}, only {columns}; rename yours to sentence1, sentence2 and label.")
        if len(dataset[split]) < 2:
            raise ValueError(f"The split {split!r} has too few pairs ({len(dataset[split])}): give it two at least.")
        wrong = next(((i, label) for i, label in enumerate(dataset[split]["label"][:]) if label not in (0, 1)), None)
        if wrong is not None:
            raise ValueError(
                f"Row {wrong[0]} of the split {split!r} has the label {wrong[1]!r}, outside the classes 0 and 1 (-1 marks rows "
                "that nobody has judged): leave such rows out, or number the classes anew."
            )


def masked_lm(tokenizer, model, chunk_size: int) -> None:
    """Whether tokenizer and model can fill masks in chunks of a size.

    Raises:
        ValueError: No mask token, or chunks longer than the model has positions for.
    """
    if tokenizer.mask_token is None:
        raise ValueError(
            f"The tokenizer of {tokenizer.name_or_path} has no mask token: take the checkpoint of a masked language model "
            "(on the Hub: the Fill-Mask filter)."
        )
    positions = getattr(model.config, "max_position_embeddings", chunk_size)
    if model.config.model_type in ("roberta", "camembert", "xlm-roberta"):
        positions -= model.config.pad_token_id + 1  # their first position comes after that of padding
    longest = min(tokenizer.model_max_length, positions)
    if chunk_size > longest:
        raise ValueError(f"Chunks of {chunk_size} tokens are longer than the {longest} that this model takes: lower chunk_size.")


def one_mask(tokenizer, text: str) -> None:
    """Whether a text holds the tokenizer's mask token, once: every family of models writes its own.

    Raises:
        ValueError: No mask token, another family's, or several.
    """
    mask = tokenizer.mask_token
    found = text.count(mask)
    if found == 1:
        return
    foreign = next((other for other in ("[MASK]", "<mask>") if other in text and other != mask), None)
    why = f"writes a hole as {mask}, not {foreign}" if foreign and not found else f"wants {mask} once, and here it stands {found} times"
    raise ValueError(f"This checkpoint's tokenizer {why}: {text!r}; write {{tokenizer.mask_token}} in an f-string, which always fits.")


def chunks(dataset, chunk_size: int) -> None:
    """Whether a chunked data set has rows left.

    Raises:
        ValueError: The corpus is shorter than one chunk.
    """
    if len(dataset) == 0:
        raise ValueError(f"The corpus is shorter than one chunk of {chunk_size} tokens: add text or lower chunk_size.")


class _KeyError(KeyError):
    def __str__(self) -> str:  # KeyError shows its message in quotes, with every quote inside escaped
        return self.args[0]
