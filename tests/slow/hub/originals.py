"""Stand-ins for all that the hub profile names, laid out as on the Hub: data sets, metric, and checkpoints of random weights.

    python tests/slow/hub/originals.py FOLDER && python tests/slow/hub/server.py FOLDER

Data sets and vocabularies are the real ones where the machine has them, in ../shared/data. Elsewhere the rows are the bundled
corpora's, and the vocabularies the bundled ones, filled up to the size of the real ones.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from datasets import Dataset, load_dataset
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[3]
LAB = ROOT / "lab"
SHARED = ROOT.parent / "shared" / "data"
DATA = {  # id: (configuration, name of the real rows, of the bundled ones)
    "nyu-mll/glue": ("mrpc", "mrpc", "paraphrases"),
    "stanfordnlp/imdb": ("plain_text", "imdb", "reviews"),
    "dany0407/eli5_category": ("default", "eli5_category", "questions"),
}
ROBERTA = dict(vocab_size=50_265, num_hidden_layers=6, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)
MODELS = {  # id: (class with the heads that the file has, configuration)
    "google-bert/bert-base-uncased": (transformers.BertForPreTraining, transformers.BertConfig()),
    "distilbert/distilbert-base-uncased": (transformers.DistilBertForMaskedLM, transformers.DistilBertConfig()),
    "distilbert/distilroberta-base": (transformers.RobertaForMaskedLM, transformers.RobertaConfig(**ROBERTA)),
}


def place(root: Path) -> None:
    """Fills `root` with the repositories, for `server.Hub` to serve."""
    for repo_id, (name, real, bundled) in DATA.items():
        source = SHARED / real if (SHARED / real).is_dir() else LAB / "corpora" / bundled
        data_set(root / "datasets" / repo_id, name, source)
    (root / "spaces" / "evaluate-metric" / "glue").mkdir(parents=True)
    shutil.copyfile(LAB / "metrics" / "mrpc" / "mrpc.py", root / "spaces" / "evaluate-metric" / "glue" / "glue.py")
    for repo_id in MODELS:
        checkpoint(root / "models" / repo_id, repo_id)


# -- Data sets -------------------------------------------------------------------------------------------------------


def data_set(folder: Path, name: str, source: Path) -> None:
    """A Parquet file for each split, and a card; beside MRPC another task, so that the configuration's name counts."""
    with tempfile.TemporaryDirectory() as cache:
        configurations = {name: load_dataset(str(source), cache_dir=cache)}
        if name == "mrpc":
            configurations["cola"] = {"train": Dataset.from_dict({"sentence": ["Cats sleep."], "label": [1], "idx": [0]})}
        lines = ["---", "configs:"]
        for config, splits in configurations.items():
            lines += [f"- config_name: {config}", "  data_files:"]
            for split, rows in splits.items():
                (folder / config).mkdir(parents=True, exist_ok=True)
                rows.to_parquet(folder / config / f"{split}-00000-of-00001.parquet")
                lines += [f"  - split: {split}", f"    path: {config}/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


# -- Checkpoints -----------------------------------------------------------------------------------------------------


def checkpoint(folder: Path, repo_id: str) -> None:
    kind, config = MODELS[repo_id]
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = kind(config)
    tied = [name for name in model.state_dict() if "decoder." in name or name == "vocab_projector.weight"]
    weights = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
    if kind is transformers.BertForPreTraining:  # whose file is older than today's names
        weights = {older(name): tensor for name, tensor in weights.items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    settings = config.to_dict() | {"architectures": [kind.__name__]}
    settings.pop("dtype", None)  # the originals name none: their files are float32
    (folder / "config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    tokenizer = byte_level(folder) if kind is transformers.RobertaForMaskedLM else word_pieces(folder)
    assert len(tokenizer) == config.vocab_size
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))


def older(name: str) -> str:
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


def word_pieces(folder: Path) -> transformers.BertTokenizer:
    """Writes the vocabulary of bert-base-uncased, which DistilBERT has too."""
    real = SHARED / "vocab" / "bert-base-uncased" / "vocab.txt"
    tokens = real.read_text(encoding="utf-8").splitlines() if real.exists() else filled(tokens_of("mini-bert"), 30_522)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "model_max_length": 512}', encoding="utf-8")
    return transformers.BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}, do_lower_case=True)


def byte_level(folder: Path) -> transformers.RobertaTokenizer:
    """Writes the vocabulary and merges of distilroberta-base."""
    real = SHARED / "vocab" / "distilroberta-base"
    if real.is_dir():
        vocab = json.loads((real / "vocab.json").read_text(encoding="utf-8"))
        merges = (real / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    else:
        tokens = [token for token in tokens_of("mini-roberta") if token != "<mask>"]
        vocab = {token: i for i, token in enumerate([*filled(tokens, 50_264), "<mask>"])}
        merges = [" ".join(pair) for pair in model_of("mini-roberta")["merges"]]
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 512}', encoding="utf-8")
    return transformers.RobertaTokenizer(vocab=vocab, merges=[tuple(line.split()) for line in merges])


def model_of(name: str) -> dict:
    return json.loads((LAB / "checkpoints" / name / "tokenizer.json").read_text(encoding="utf-8"))["model"]


def tokens_of(name: str) -> list[str]:
    """The tokens of a bundled checkpoint, by number."""
    vocab = model_of(name)["vocab"]
    return sorted(vocab, key=vocab.get)


def filled(tokens: list[str], size: int) -> list[str]:
    return tokens + [f"[made{i}]" for i in range(size - len(tokens))]


if __name__ == "__main__":
    place(Path(sys.argv[1]))
