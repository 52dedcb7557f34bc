"""The trained model with tokenizer and card, saved to a folder and uploaded to the Hub."""

from concurrent import futures
from pathlib import Path

from accelerate import Accelerator
from huggingface_hub import create_repo, get_token, upload_folder
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from helpers.i18n import say


def save_model(accelerator: Accelerator, model, tokenizer, folder: str | Path, card: str) -> None:
    """Save model, tokenizer and card for ``from_pretrained``; every process calls it, the main one writes.

    Args:
        accelerator, model, tokenizer: As prepared; the model is unwrapped here.
        folder: Files of the same names in it are replaced.
        card: Text of README.md.
    """
    weights = accelerator.get_state_dict(model)  # where each process holds a part, all of them are needed
    if accelerator.is_main_process:
        accelerator.unwrap_model(model).save_pretrained(folder, state_dict=weights)
        tokenizer.save_pretrained(folder)
        (Path(folder) / "README.md").write_text(card, encoding="utf-8")
    accelerator.wait_for_everyone()


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
    """Return the text of a model card, in Markdown under YAML metadata, from the history and plan of a `setup.Run`."""
    known = {"base_model": plan["checkpoint"], "datasets": plan["dataset"]}  # ids of the Hub alone, not folders
    return CARD.format(
        metadata="".join(f"{name}: {value}\n" for name, value in known.items() if "/" in value),
        title=title,
        chunks=f"{plan['chunks']:,}",
        figures="\n".join(f"| {row['epoch']:.3g} | {row['step']} | {row['perplexity']:.2f} | {row['tokens']:,} |" for row in history),
        settings="\n".join(f"- {name}: {value}" for name, value in plan.items()),
        **{name: plan[name] for name in ("checkpoint", "dataset", "chunk_size")},
    )


def create_repository(name: str) -> str:
    """Make sure, before a training, that there is a repository to push to, and return its full id.

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


class Uploads:
    """Uploads of one folder to a repository, in the background; each brings all files, so the last one is enough."""

    def __init__(self, folder: str | Path, repo_id: str):
        self.folder, self.repo_id = folder, repo_id
        self.last: futures.Future | None = None

    @property
    def busy(self) -> bool:
        """An upload is under way, and the files should not be changed."""
        return self.last is not None and not self.last.done()

    def start(self, message: str) -> None:
        """Start an upload and return at once."""
        self.last = upload_folder(repo_id=self.repo_id, folder_path=self.folder, commit_message=message, run_as_future=True)

    def finish(self) -> None:
        """Wait until no upload is under way, whether it succeeds or fails."""
        if self.last is not None:
            futures.wait([self.last])

    def wait(self) -> None:
        """Wait for the last upload; raise OSError if it failed."""
        try:
            if self.last is not None:
                self.last.result()
        except Exception as error:  # those of network and Hub have no base class of their own
            raise OSError(
                say("The upload failed ({error}); the model lies under output_dir: push it later by 'hf upload'.", error=error)
            ) from error
