"""Which files of a folder are read as a data set, and how many rows each gives; what would be read wrongly is refused."""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import datasets

from helpers.i18n import say
from helpers.quiet import quiet
from helpers.validation import ADDRESS, require

DELIMITERS = {".csv": ",", ".tsv": "\t"}
TEXT_KINDS = (*DELIMITERS, ".txt", ".json", ".jsonl", ".ndjson")
KINDS = (*TEXT_KINDS, ".parquet", ".arrow")
NO_DATA = ("state.json", "dataset_info.json", "dataset_dict.json", "dataset_infos.json", "requirements.txt")
NAMED = 4  # files that the line names one by one


def check_folder(dataset: Sequence[str]) -> tuple[datasets.DatasetDict, str]:
    """Return a folder's rows as `load_dataset` reads them, or raise ValueError if they are not what its user means.

    Args:
        dataset: Arguments of `load_dataset`: a folder and, where it has several, a configuration.

    Returns:
        The rows by split; and one line for the user: files by split, rows by file, and files that no split took.
    """
    folder = Path(dataset[0]).absolute()  # as the files are that the library names
    require(
        not set(str(folder)) & set("[]*?"),
        "The path {folder} holds one of [ ] * ?, which `datasets` takes for a pattern: rename the folder.",
        folder=folder,
    )
    datasets.config.SAVE_ORIGINAL_SHARD_LENGTHS = True  # keeps how many rows each file gave
    with quiet(datasets.logging):
        try:
            builder = datasets.load_dataset_builder(*dataset)
        except (datasets.exceptions.DatasetsError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise ValueError(
                say(
                    "{folder} cannot be read as a data set ({reason}): check that its card (README.md) names files that exist, "
                    "and that all files are of one kind, parquet, jsonl, csv or txt.",
                    folder=folder,
                    reason=_first_line(error),
                )
            ) from None
        splits = {str(split): [Path(file) for file in files] for split, files in (builder.config.data_files or {}).items()}
        read = [file for files in splits.values() for file in files]
        for file in read:
            _check_file(file)
        unread = _unread(folder, read)
        try:
            loaded = datasets.load_dataset(*dataset)
        except (datasets.exceptions.DatasetsError, OSError, ValueError, TypeError) as error:
            _explain(folder, read, error)
    parts = [_split_line(folder, split, files, loaded[split]) for split, files in splits.items()]
    line = say("Read from {folder} (rows): {splits}.", folder=folder, splits="; ".join(parts))
    return loaded, f"{line} {say('Not read: {files}.', files=_listed(unread))}" if unread else line


def _check_file(file: Path) -> None:
    """Raise ValueError if a file holds no rows, is not UTF-8, would be read with shifted columns, or lists addresses."""
    kind = _kind(file)
    require(
        kind in KINDS,
        "{file} is no file of rows that can be checked: unpack it, or save its texts as parquet, jsonl, csv or txt.",
        file=file,
    )
    if kind in TEXT_KINDS:
        text = _text(file)
        if kind in DELIMITERS:
            _check_columns(file, text, DELIMITERS[kind])
        if kind == ".txt":
            only_addresses = text.strip() and all(line.startswith(ADDRESS) for line in text.split())
            require(not only_addresses, "{file} lists addresses, not texts: move it out of the folder.", file=file)


def _text(file: Path) -> str:
    """Return the text of a file, or raise ValueError if it is damaged or not written in UTF-8."""
    try:
        written = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(say("{file} cannot be unpacked ({error}): compress the file anew.", file=file, error=error)) from None
    line = None
    try:
        text = written.decode("utf-8-sig")
        if text.count("\0") > len(text) / 4:
            line = 1
    except UnicodeDecodeError as error:
        line = written.count(b"\n", 0, error.start) + 1
    utf_16 = written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in written[:100]
    require(
        line is None,
        "{file} is not written in UTF-8 (line {line}), but probably in {encoding}: save it anew as UTF-8, in Python by "
        "Path(file).write_text(Path(file).read_text({encoding!r}), 'utf-8').",
        file=file,
        line=line,
        encoding="UTF-16" if utf_16 else "cp1252",
    )
    return text


def _check_columns(file: Path, text: str, delimiter: str) -> None:
    """Raise ValueError if the header is cut by another delimiter, a row has more fields than it, or a quotation mark stays open.

    pandas makes the first column an index where the first row is longer, and one text of all rows between two such marks;
    it says nothing.
    """
    csv.field_size_limit(2**31 - 1)
    rows = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
    try:
        header = next(filter(None, rows), [])
        longer = next((row for row in rows if len(row) > len(header)), [])
    except csv.Error as error:
        raise ValueError(
            say(
                "Line {line} of {file} cannot be cut into fields ({error}): put the whole text between double quotes, and write those "
                'that it holds twice ("").',
                line=rows.line_num,
                file=file,
                error=error,
            )
        ) from None
    other = next((sign for sign in ";\t|" if len(header) == 1 and sign in header[0]), None)
    require(
        other is None,
        "The fields of {file} are separated by {other!r}, not by {delimiter!r}: save it anew.",
        file=file,
        other=other,
        delimiter=delimiter,
    )
    require(
        not longer,
        "Line {line} of {file} has {fields} fields and the header has {columns}: put a text that holds {delimiter!r} "
        'between double quotes ("…").',
        line=rows.line_num,
        file=file,
        fields=len(longer),
        columns=len(header),
        delimiter=delimiter,
    )


def _unread(folder: Path, read: Sequence[Path]) -> list[Path]:
    """Return the data files that no split takes; raise ValueError if they hold rows, unless a card chooses what is read."""
    taken = {file.resolve() for file in read}
    visible = [
        file for file in sorted(folder.rglob("*")) if not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    ]
    others = [file for file in visible if _kind(file) in (*KINDS, ".zip") and file.name not in NO_DATA and file.resolve() not in taken]
    kinds = {_kind(file) for file in read}
    card = folder / "README.md"
    chosen = card.exists() and "data_files:" in card.read_text(encoding="utf-8", errors="replace")
    lost = [file for file in others if (_kind(file) != ".txt" or ".txt" in kinds) and file.stat().st_size]
    require(
        chosen or not lost,
        "Of {folder} only {read} would be read and {lost} would not: one kind of file is read, and a name with train, validation, "
        "dev or test in it stands for a split; rename the files, move them into folders train, validation and test, or away.",
        folder=folder,
        read=_listed(read),
        lost=_listed(lost),
    )
    return others


def _explain(folder: Path, read: Sequence[Path], reason: BaseException) -> None:
    """Raise ValueError that names the file and line which cannot be read."""
    for file in read:
        if _kind(file) in (".jsonl", ".ndjson"):
            for number, line in enumerate(_text(file).split("\n"), 1):
                try:
                    json.loads(line or "0")
                except ValueError as error:
                    raise ValueError(
                        say("Line {line} of {file} is no JSON ({error}): mend or delete it.", line=number, file=file, error=error)
                    ) from None
    require(
        not (folder / "state.json").exists(),
        "{folder} was written by Dataset.save_to_disk: write train.parquet there instead, by Dataset.to_parquet.",
        folder=folder,
    )
    raise ValueError(
        say(
            "The files of {folder} cannot be read together ({reason}): look at {files}; all need the same columns, "
            "with values of the same kinds.",
            folder=folder,
            reason=_first_line(reason),
            files=_listed(read),
        )
    ) from None


def _split_line(folder: Path, split: str, files: Sequence[Path], rows: datasets.Dataset) -> str:
    """Return which files a split was read from, and how many rows each gave, where the library tells."""
    if len(files) > NAMED:
        return say("{split}: {n:,} files ({rows:,} rows)", split=split, n=len(files), rows=len(rows))
    lengths = [len(rows)] if len(files) == 1 else getattr(rows.info.splits[split], "original_shard_lengths", None) or []
    counts = [f" ({length:,})" for length in lengths] if len(lengths) == len(files) else [""] * len(files)
    return f"{split}: " + ", ".join(f"{file.relative_to(folder)}{count}" for file, count in zip(files, counts))


def _listed(files: Sequence[Path]) -> str:
    names = [file.name for file in files[:NAMED]]
    return ", ".join([*names, "…"] if len(files) > NAMED else names)


def _kind(file: Path) -> str:
    return Path(file.name.removesuffix(".gz")).suffix.lower()


def _first_line(error: BaseException) -> str:
    """Return the first line in which an error, or the one that caused it, gives a reason."""
    lines = [line.strip() for line in f"{error}\n{error.__cause__ or ''}".splitlines()]
    reasons = (line for line in lines if line and line != "An error occurred while generating the dataset")
    return next(reasons, type(error).__name__)
