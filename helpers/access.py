"""What a run needs before it starts: weights, the Hub, an output folder and a cache."""

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from helpers import data_files, i18n, pretrained, validation
from helpers.i18n import say
from helpers.paths import ROOT, is_folder
from helpers.settings import PARAMETERS, Settings, resolve

HUB_PATIENCE = 10  # seconds; the Hub's own client retries for half a minute before it gives up


def open_chapter(chapter: str, variables: Mapping[str, Any]) -> Settings:
    """Return the settings of a chapter, and make sure that all it needs is at hand.

    Sets the language of messages, makes the output folder, keeps the cache of a data set's folder there, opens the weights,
    looks at the data set's files, and asks the Hub, from which no weights are fetched yet. Prints what is read from a user's own folder.

    Args:
        chapter: File name without its ending, such as ``"03_imdb_domain_adaptation"``.
        variables: The notebook's ``globals()``, of which the parameters cell's are taken.

    Raises:
        ValueError: As `settings.resolve`.
        OSError: As `check_access`.
    """
    i18n.set_language(variables.get("language") or "en")
    settings = resolve(chapter, **{name: variables[name] for name in PARAMETERS if name in variables})
    check_access(settings)
    return settings


def check_access(settings: Settings) -> None:
    """Raise an error unless weights, Hub, data files and output folder are as they should be.

    Makes the output folder and moves the cache of a data set's folder there; prints what is read from a folder of the user's own.

    Raises:
        ValueError: A checkpoint or a folder of data that would be read wrongly, or cannot be used here.
        OSError: An output folder that cannot be written to.
        ConnectionError: The Hub does not answer, or has no such model or data set.
    """
    models = filter(None, [settings.checkpoint, settings.pair_checkpoint])
    check_hub({"model": [*models], "dataset": [settings.dataset[0], *settings.pair_dataset[:1]]})
    tokenizer = pretrained.check_files(settings.checkpoint, "masked_lm" if settings.text_column else "classifier")
    if settings.pair_checkpoint:
        pretrained.check_files(settings.pair_checkpoint, "classifier")
    check_writable(settings.output_dir)
    if is_folder(settings.dataset[0]):
        cache_by_content(settings.dataset[0], settings.output_dir)
        rows, line = data_files.check_folder(settings.dataset)
        if Path(settings.dataset[0]).parent != ROOT / "lab" / "corpora":
            print(line)
        columns = [settings.text_column] if settings.text_column else ["sentence1", "sentence2"]
        validation.check_vocabulary(tokenizer, next(iter(rows.values())), columns)


def cache_by_content(folder: str, where: str) -> None:
    """Make `datasets` keep what it reads from a folder under `where`, apart for every state of the folder.

    Its own cache knows a folder by its paths alone, and would go on serving rows that have been edited since.
    """
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    state = [(str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((folder, state)).encode()).hexdigest()[:16]
    datasets.config.HF_DATASETS_CACHE = Path(where) / "_cache" / key  # Trainer.push_to_hub uploads all of `where` but names with _


def check_hub(repositories: Mapping[str, Sequence[str]]) -> None:
    """Ask the Hub for each repository, once, unless HF_HUB_OFFLINE asks for the caches alone.

    The libraries ask again for a minute, and then take every refusal for a missing file or connection.

    Args:
        repositories: Names by kind, "model" or "dataset"; folders among them need no Hub.

    Raises:
        ConnectionError: The Hub does not answer, refuses, or has no such repository.
    """
    needed = [(kind, name) for kind, names in repositories.items() for name in names if not is_folder(name)]
    if not needed or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return  # offline, the libraries look into their caches and fail at once
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    for kind, name in needed:
        try:
            HfApi(endpoint).repo_info(name, repo_type=kind, timeout=HUB_PATIENCE)
            continue
        except HfHubHTTPError as error:
            names, status = name, f"{error.response.status_code} {error.response.reason_phrase}"
            if error.response.status_code in (401, 403, 404):
                problem = say(
                    "lets you read no such repository ({status}): check the id, and log in by 'hf auth login' if it is private or gated",
                    status=status,
                )
            else:
                problem = say("answers {status}: try again in some minutes ('hf auth login' raises its limits)", status=status)
        except Exception as error:  # the network's errors have no base class of their own
            names, problem = ", ".join(name for _, name in needed), say("cannot be reached ({error})", error=error)
        raise ConnectionError(
            say(
                "{names} should come from the Hub, but {endpoint} {problem}; take profile='lab', which needs no network, "
                "name a mirror (HF_ENDPOINT, set before Python starts), give folders as dataset= and checkpoint=, "
                "or set HF_HUB_OFFLINE=1 if all is in the cache.",
                names=names,
                endpoint=endpoint,
                problem=problem,
            )
        )


def check_writable(folder: str) -> None:
    """Make an output folder and write into it, or raise OSError: a training whose result cannot be kept should not start."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            say(
                "Nothing can be written to the output folder {folder} ({reason}): give another as output_dir (OUT= of make).",
                folder=folder,
                reason=error.strerror,
            )
        ) from None
