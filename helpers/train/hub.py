"""What a training gives away: the model with its tokenizer and card, in a folder and on the Hub."""

from concurrent.futures import Future
from pathlib import Path

from accelerate import Accelerator
from huggingface_hub import create_repo, get_token, upload_folder
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from helpers.i18n import say


def save_model(accelerator: Accelerator, model, tokenizer, folder: str | Path, card: str, busy: Future | None = None) -> bool:
    """Saves model, tokenizer and card for ``from_pretrained``; every process calls it, the main one writes.

    Args:
        accelerator: Has prepared the model.
        model: As prepared; it is unwrapped here.
        tokenizer: Of the model.
        folder: Where to write; what lies there is replaced.
        card: Text of README.md.
        busy: An upload from the same folder; while it is under way, the files are left in peace.

    Returns:
        Whether this process has written.
    """
    accelerator.wait_for_everyone()
    weights = accelerator.get_state_dict(model)  # where processes hold a part each, all are needed for it
    if not accelerator.is_main_process or (busy and not busy.done()):
        return False
    accelerator.unwrap_model(model).save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)
    (Path(folder) / "README.md").write_text(card, encoding="utf-8")
    return True


CARD = """---
library_name: transformers
pipeline_tag: fill-mask
tags: [fill-mask]
{metadata}---
# {title}

A masked language model: {checkpoint}, adapted to the texts of {dataset} ({chunks} chunks of {chunk_size} tokens).

## How to use it

```python
from transformers import pipeline

fill = pipeline("fill-mask", model="{title}")
print(fill(f"This is a great {{fill.tokenizer.mask_token}}.", top_k=3))
```

## Figures

Perplexity on the same masked tokens of held-out texts each time: the exponential of the mean loss over all of them.
It depends on masks and vocabulary, so compare it within this table alone.

| epochs | steps | perplexity | masked tokens |
|---|---|---|---|
{figures}

## Settings

{settings}
"""


def model_card(title: str, history: list[dict], plan: dict) -> str:
    """The text of a model card, in Markdown under YAML metadata.

    Args:
        title: Hub id or name of the model.
        history: Rows with ``epoch``, ``step``, ``perplexity`` and ``tokens``.
        plan: What the training was: ``checkpoint``, ``dataset``, ``chunks``, ``chunk_size`` and so on.
    """
    known = {"base_model": plan["checkpoint"], "datasets": plan["dataset"]}  # the Hub takes ids here, and nobody else has our folders
    return CARD.format(
        metadata="".join(f"{name}: {value}\n" for name, value in known.items() if "/" in value),
        title=title,
        chunks=f"{plan['chunks']:,}",
        figures="\n".join(f"| {row['epoch']:.3g} | {row['step']} | {row['perplexity']:.2f} | {row['tokens']:,} |" for row in history),
        settings="\n".join(f"- {name}: {value}" for name, value in plan.items()),
        **{name: plan[name] for name in ("checkpoint", "dataset", "chunk_size")},
    )


def repository(name: str) -> str:
    """Makes sure, before a training, that there is a repository to push to, and returns its full id.

    Raises:
        PermissionError: No token, or one that the Hub does not know.
        ValueError: The Hub refuses the name.
        ConnectionError: The Hub does not answer.
    """
    if get_token() is None:
        raise PermissionError(
            say(
                "push_to_hub is on, but there is no token of the Hub here: "
                "log in by 'hf auth login', set HF_TOKEN, or train without pushing."
            )
        )
    try:
        return create_repo(name, exist_ok=True).repo_id
    except (HFValidationError, HfHubHTTPError) as error:
        if isinstance(error, HfHubHTTPError) and error.response.status_code == 401:
            raise PermissionError(say("The Hub does not accept your token: log in again by 'hf auth login' or don't push.")) from None
        reason = getattr(error, "server_message", None) or str(error).strip().splitlines()[-1]
        raise ValueError(
            say(
                "The Hub refuses the repository {name!r} ({reason}): give another hub_model_id, such as 'me/my-model'.",
                name=name,
                reason=reason,
            )
        ) from None
    except Exception as error:  # the network's errors have no base class of their own
        raise ConnectionError(
            say("The Hub cannot be reached to make {name!r} ({error}): train without pushing, and push later.", name=name, error=error)
        ) from None


def push(folder: str | Path, repo_id: str, message: str) -> Future:
    """Starts uploading a folder and returns at once; the future's ``result()`` waits for the end."""
    return upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message, run_as_future=True)


def wait(uploads: list[Future]) -> None:
    """Waits for the last of these uploads, if there is one.

    Raises:
        OSError: It failed.
    """
    for upload in uploads[-1:]:
        try:
            upload.result()
        except Exception as error:  # whatever the network or the Hub can think of
            raise OSError(
                say("The upload failed ({error}); the model lies under output_dir: push it later by 'hf upload'.", error=error)
            ) from error
