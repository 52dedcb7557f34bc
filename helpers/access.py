"""What a run needs before it starts: weights, the Hub, an output folder and a cache."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers import data_files, i18n, pretrained, validation
from helpers.i18n import say
from helpers.paths import ROOT, is_folder
from helpers.settings import PARAMETERS, Settings, resolve

HUB_PATIENCE = 10  # seconds; the Hub's own client retries for half a minute before it gives up


def open_chapter(chapter: str, variables: Mapping[str, Any]) -> Settings:
    """Return the settings of a chapter, and make sure that all it needs is at hand.

    Sets the language of messages, makes the output folder, keeps the cache of a data set's folder there, opens the weights,
    looks at the data set's files, and asks the Hub, from which no weights are fetched yet. Says what is read from a user's own folder.

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


def check_access(settings: Settings, report: Callable[[str], object] = print) -> None:
    """Raise an error unless weights, Hub, data files and output folder are as they should be.

    The cache of a data set's folder moves into the output folder. A Hub id is asked for its configuration and tokenizer alone.

    Args:
        settings: What the run is to use.
        report: Called with a line that says what is read from a folder of the user's own.

    Raises:
        ValueError: A checkpoint or a folder of data that would be read wrongly, or cannot be used here.
        OSError: Weights that are missing or damaged, or an output folder that cannot be written to.
        ConnectionError: A Hub id is asked for and the Hub does not answer, or has no such thing.
    """
    if is_folder(settings.checkpoint):
        pretrained.check_weights(settings.checkpoint)
    models = filter(None, [settings.checkpoint, settings.pair_checkpoint])
    check_hub({"model": [*models], "dataset": [settings.dataset[0], *settings.pair_dataset[:1]]})
    tokenizer = pretrained.check_files(settings.checkpoint, "masked_lm" if settings.text_column else "classifier")
    if settings.pair_checkpoint:
        pretrained.check_files(settings.pair_checkpoint, "classifier")
    check_writable(settings.output_dir)
    if is_folder(settings.dataset[0]):
        cache_by_content(settings.dataset[0], settings.output_dir)
        own = Path(settings.dataset[0]).parent != ROOT / "lab" / "corpora"
        rows = data_files.check_folder(settings.dataset, report if own else lambda line: None)
        columns = [settings.text_column] if settings.text_column else ["sentence1", "sentence2"]
        validation.vocabulary(tokenizer, next(iter(rows.values())), columns)


def cache_by_content(folder: str, where: str) -> None:
    """Make `datasets` keep what it reads from a folder under `where`, apart for every state of the folder.

    Its own cache knows a folder by its paths alone, and would go on serving rows that have been edited since.

    Args:
        folder: The data set's folder.
        where: An output folder.
    """
    import datasets

    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    state = [(str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((folder, state)).encode()).hexdigest()[:16]
    datasets.config.HF_DATASETS_CACHE = Path(where) / "_cache" / key  # Trainer.push_to_hub uploads all of `where` but names with _


def check_hub(wanted: Mapping[str, Sequence[str]]) -> None:
    """Ask the Hub for each repository, once, unless HF_HUB_OFFLINE asks for the caches alone.

    The libraries ask again for a minute, and then take every refusal for a missing file or connection.

    Args:
        wanted: Names by kind, "model" or "dataset"; folders among them need no Hub.

    Raises:
        ConnectionError: The Hub does not answer, refuses, or has no such repository.
    """
    needed = [(kind, name) for kind, names in wanted.items() for name in names if not is_folder(name)]
    if not needed or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return  # offline, the libraries look into their caches and fail at once
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    for kind, name in needed:
        try:
            HfApi(endpoint).repo_info(name, repo_type=kind, timeout=HUB_PATIENCE)
        except HfHubHTTPError as error:
            raise ConnectionError(_refusal(name, endpoint, error.response)) from None
        except Exception as error:  # the network's errors have no base class of their own
            raise ConnectionError(
                say(
                    "{wanted} should come from the Hub, but {endpoint} cannot be reached ({error}): "
                    "take profile='lab', which needs no network, name a mirror (HF_ENDPOINT, set before Python starts), "
                    "give folders as dataset= and checkpoint=, or set HF_HUB_OFFLINE=1 if all is in the cache.",
                    wanted=", ".join(name for _, name in needed),
                    endpoint=endpoint,
                    error=error,
                )
            ) from None


def _refusal(name: str, endpoint: str, answer) -> str:
    status = f"{answer.status_code} {answer.reason_phrase}"
    if answer.status_code in (401, 403, 404):
        return say(
            "{endpoint} has no {name!r} that you may read ({status}): check the id, log in by 'hf auth login' if it is private "
            "or wants you to agree to its terms, or give a folder.",
            endpoint=endpoint,
            name=name,
            status=status,
        )
    return say(
        "{name} should come from the Hub, but {endpoint} answers {status}: try again in some minutes (who has logged in by "
        "'hf auth login' may ask more often), take profile='lab', which needs no network, give folders as dataset= and checkpoint=, "
        "or set HF_HUB_OFFLINE=1 if all is in the cache.",
        name=name,
        endpoint=endpoint,
        status=status,
    )


def check_writable(folder: str) -> None:
    """Make an output folder and write into it, so that a training whose result cannot be kept does not start.

    Raises:
        OSError: It cannot.
    """
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
