"""The tutorials' way, written afresh: the same results as this course's, by the code that one finds most often."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import torch


def tokenize(tokenizer, text_column: str) -> Callable[[dict], dict]:
    """Whole texts to ids, attention masks and word ids, for ``map(batched=True)``."""

    def function(examples):
        result = tokenizer(examples[text_column], return_token_type_ids=False, verbose=False)
        result["word_ids"] = [result.word_ids(i) for i in range(len(result["input_ids"]))]
        return result

    return function


def group_texts(examples: dict, chunk_size: int) -> dict:
    """Joins a batch's rows by ``sum(lists, [])``, which copies all earlier tokens for each row, and cuts chunks."""
    joined = {name: sum(rows, []) for name, rows in examples.items()}
    total = len(joined["input_ids"]) // chunk_size * chunk_size
    result = {name: [tokens[i : i + chunk_size] for i in range(0, total, chunk_size)] for name, tokens in joined.items()}
    result["labels"] = result["input_ids"].copy()
    return result


def chunks(dataset, tokenizer, chunk_size: int, text_column: str = "text"):
    """Two passes of ``Dataset.map``, each through Python's lists."""
    tokenized = dataset.map(tokenize(tokenizer, text_column), batched=True, remove_columns=dataset.column_names, load_from_cache_file=False)
    return tokenized.map(group_texts, batched=True, fn_kwargs={"chunk_size": chunk_size}, load_from_cache_file=False)


def draw_words(probability: float) -> Callable[[int], np.ndarray]:
    """A draw for each of so many words."""
    generator = np.random.default_rng()
    return lambda count: generator.binomial(1, probability, count)


def whole_word_collator(mask_token_id: int, draw: Callable[[int], np.ndarray]) -> Callable[[list[dict]], dict[str, torch.Tensor]]:
    """Masks whole words in a loop over every token of every row."""

    def collate(features):
        for feature in features:
            words, word, previous = defaultdict(list), -1, None
            for position, word_id in enumerate(feature.pop("word_ids")):
                if word_id is not None:
                    if word_id != previous:
                        word += 1
                    words[word].append(position)
                previous = word_id
            labels = [-100] * len(feature["input_ids"])
            for word in np.where(draw(len(words)))[0]:
                for position in words[word.item()]:
                    labels[position] = feature["labels"][position]
                    feature["input_ids"][position] = mask_token_id
            feature["labels"] = labels
        return {name: torch.tensor([feature[name] for feature in features]) for name in features[0]}

    return collate


def padded_to_longest_of_corpus(tokenizer, pairs: dict, batch_size: int) -> list[dict[str, torch.Tensor]]:
    """All pairs tokenised at once and padded to the longest of them, in batches."""
    encoded = tokenizer(pairs["sentence1"], pairs["sentence2"], truncation=True, padding="longest", return_tensors="pt")
    encoded["labels"] = torch.tensor(pairs["label"])
    return [{name: rows[i : i + batch_size] for name, rows in encoded.items()} for i in range(0, len(encoded["labels"]), batch_size)]


def step(model, optimizer, dtype: torch.dtype = torch.float32) -> Callable[[dict], torch.Tensor]:
    """A training step with a dense head; on a GPU under fp16 autocast with scaled gradients."""
    device = next(model.parameters()).device.type
    scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)

    def train(batch):
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            loss = model(**batch).loss
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        return loss.detach()

    return train
