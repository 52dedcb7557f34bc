"""Checkpoints as people bring them: each works, or one sentence says what is wrong before any training."""

import json
import logging
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from common import ROOT, TINY
from helpers import pretrained

pytestmark = pytest.mark.long

LAB = ROOT / "lab" / "checkpoints"
SHAPE = TINY | {"vocab_size": 8192}
FAMILIES = {
    "bert": ("Bert", {}),
    "roberta": ("Roberta", {}),
    "mpnet": ("MPNet", {}),
    "electra": ("Electra", {"embedding_size": 32}),
    "distilbert": ("DistilBert", dict(dim=32, n_layers=2, n_heads=2, hidden_dim=64)),
}


def build(family: str, head: str = "ForMaskedLM", **changes):
    name, options = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(**{**SHAPE, **options, **changes})
    return getattr(transformers, f"{name}{head}")(config)


@pytest.fixture
def folder(tmp_path):
    """A tiny BERT with masked-LM head and its tokenizer."""
    return save(build("bert"), tmp_path / "mine")


def save(model, folder):
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(LAB / "mini-bert").save_pretrained(folder)
    return folder


def edit(file, **changes):
    """Changes entries of a JSON file; None takes one out."""
    written = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({name: value for name, value in written.items() if value is not None}))


def rename_weights(folder, rename):
    file = folder / "model.safetensors"
    save_file({rename(name): tensor for name, tensor in load_file(file).items() if rename(name)}, file, metadata={"format": "pt"})


def load(folder, head="masked_lm", dtype=torch.float32):
    """Loads tokenizer and model as the chapters do."""
    options = {} if head == "masked_lm" else {"num_labels": 2}
    model = pretrained.HEADS[head].from_pretrained(folder, dtype=dtype, **options)
    return AutoTokenizer.from_pretrained(folder), model


# -- What is complete passes, before the weights and after


@pytest.mark.parametrize("name", ["mini-bert", "mini-roberta"])
@pytest.mark.parametrize("head", pretrained.HEADS)
def test_bundled_checkpoints_pass(name, head):
    pretrained.check_files(str(LAB / name), head)
    tokenizer, model = load(LAB / name, head)
    if head == "classifier":
        pretrained.check_classifier(tokenizer, model)
    else:
        pretrained.check_masked_lm(tokenizer, model, 128)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("head", pretrained.HEADS)
def test_half_precision_files_are_fine_and_a_model_in_half_precision_is_not(folder, stored, head):
    save(build("bert").to(stored), folder)
    pretrained.check_files(str(folder), head)
    check = (
        pretrained.check_classifier if head == "classifier" else lambda tokenizer, model: pretrained.check_masked_lm(tokenizer, model, 32)
    )
    check(*load(folder, head))
    with pytest.raises(ValueError, match=r"was loaded in (b?float16), .*load it by from_pretrained\(…, dtype=torch.float32\)"):
        check(*load(folder, head, dtype="auto"))


def test_a_checkpoint_of_chapter_03_serves_chapter_01(folder):
    """Saved with a masked-LM head, it has no pooler: that is new in a classifier, like the head."""
    pretrained.check_files(str(folder), "classifier")
    pretrained.check_classifier(*load(folder, "classifier"))


def test_a_classifier_needs_no_mask_token(folder):
    without_mask_token(folder)
    pretrained.check_files(str(folder), "classifier")


def test_a_classifier_of_two_labels_serves_again(folder):
    """Trained by the library, it has a problem_type."""
    shutil.rmtree(folder)
    save(build("bert", "ForSequenceClassification", problem_type="single_label_classification"), folder)
    pretrained.check_files(str(folder), "classifier")


def test_weights_of_unused_heads_are_left_out(folder):
    shutil.rmtree(folder)
    save(build("bert", "ForPreTraining"), folder)
    for head in pretrained.HEADS:
        pretrained.check_files(str(folder), head)


def test_a_bare_encoder_serves_a_classifier(folder):
    shutil.rmtree(folder)
    save(build("bert", "Model"), folder)
    pretrained.check_files(str(folder), "classifier")


def test_the_check_changes_no_random_number_and_says_nothing(folder, capfd):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    pretrained.check_files(str(folder), "classifier")
    assert torch.equal(torch.rand(4), expected)
    assert capfd.readouterr().err == "" and transformers.logging.get_verbosity() != logging.CRITICAL


# -- What is incomplete, or of another kind


def without_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()


def other_head(head, **changes):
    def change(folder):
        shutil.rmtree(folder)
        save(build("bert", head, **changes), folder)

    return change


def larger_tokenizer(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<review>", "<title>"])
    tokenizer.save_pretrained(folder)


def another_models_tokenizer(folder):
    shutil.rmtree(folder)
    save(build("bert", vocab_size=30522), folder)


def without_mask_token(folder):
    file = folder / "tokenizer.json"
    transformers.PreTrainedTokenizerFast(tokenizer_file=str(file), unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)


def without_padding_token(folder):
    file = folder / "tokenizer.json"
    transformers.PreTrainedTokenizerFast(tokenizer_file=str(file), unk_token="[UNK]", mask_token="[MASK]").save_pretrained(folder)


def without_post_processor(folder):
    """As tokenizers are that people train themselves: no [CLS], no [SEP]."""
    written = json.loads((folder / "tokenizer.json").read_text()) | {"post_processor": None}
    (folder / "tokenizer.json").write_text(json.dumps(written))
    edit(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")


def relative_positions(folder):
    """Layers that the library's BERT had until version 5."""
    weights = load_file(folder / "model.safetensors")
    weights["bert.encoder.layer.0.attention.self.distance_embedding.weight"] = torch.zeros(127, 16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def token_beyond_the_embedding(folder):
    """As many tokens as the model embeds, and one of them with a number above."""
    written = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = written["model"]["vocab"]
    vocabulary["movie"] = 9000
    (folder / "tokenizer.json").write_text(json.dumps(written))


def architecture(name, **options):
    def change(folder):
        shutil.rmtree(folder)
        config = getattr(transformers, f"{name}Config")(vocab_size=8192, **options)
        model = getattr(transformers, f"{name}LMHeadModel" if name == "GPT2" else f"{name}ForConditionalGeneration")(config)
        save(model, folder)

    return change


def bertweet(folder):
    without_tokenizer(folder)
    edit(folder / "config.json", tokenizer_class="BertweetTokenizer", model_type="roberta")
    (folder / "vocab.txt").write_text("the 10\na 5\nhouse 4\n")
    (folder / "bpe.codes").write_text("#version: 0.2\nt h 10\nth e</w> 9\n")


def adapter(folder):
    for file in folder.iterdir():
        file.unlink()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "google-bert/bert-base-uncased"}')
    save_file({"lora_A.weight": torch.zeros(2, 2)}, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def not_finite(folder):
    file = folder / "model.safetensors"
    weights = load_file(file)
    weights["bert.embeddings.LayerNorm.weight"][3] = torch.nan
    save_file(weights, file, metadata={"format": "pt"})


BART = dict(d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2)
BART |= dict(encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64)
ENCODERS = "this course trains encoders with a masked-LM head, such as BERT"


@pytest.mark.parametrize(
    "head, change, told",
    [
        ("masked_lm", without_tokenizer, "knows 5 tokens, all of them special: its files are missing. Save it beside the weights"),
        ("classifier", without_tokenizer, "knows 5 tokens, all of them special"),
        ("masked_lm", larger_tokenizer, r"has 8194 tokens and the model embeds 8192: .*resize_token_embeddings\(len\(tokenizer\)\)"),
        ("classifier", larger_tokenizer, "has 8194 tokens and the model embeds 8192"),
        ("masked_lm", another_models_tokenizer, "has 8192 tokens and the model embeds 30522: bring back the model's own tokenizer"),
        ("masked_lm", without_mask_token, r"has no mask token: .*on the Hub: the Fill-Mask filter"),
        ("classifier", without_padding_token, "has no padding token"),
        ("masked_lm", token_beyond_the_embedding, "has 9001 tokens and the model embeds 8192"),
        (
            "masked_lm",
            bertweet,
            "BertweetTokenizer is a slow tokenizer, which gives no word ids: take a checkpoint whose folder has a tokenizer.json",
        ),
        (
            "masked_lm",
            other_head("Model"),
            "lacks 6 weights that BertForMaskedLM needs, such as cls.predictions.bias, which would be random",
        ),
        ("masked_lm", other_head("ForSequenceClassification"), "lacks 6 weights that BertForMaskedLM needs"),
        ("masked_lm", other_head("ForTokenClassification"), "lacks 6 weights that BertForMaskedLM needs"),
        (
            "classifier",
            other_head("ForSequenceClassification", num_labels=3),
            r"has classifier.bias of the shape \(3,\), where \(2,\) is needed",
        ),
        (
            "masked_lm",
            lambda folder: rename_weights(folder, "_orig_mod.{}".format),
            r"their names begin with _orig_mod.\).*_orig_mod.save_pre",
        ),
        ("classifier", lambda folder: rename_weights(folder, "_orig_mod.{}".format), r"their names begin with _orig_mod.\)"),
        (
            "masked_lm",
            lambda folder: rename_weights(folder, "module.{}".format),
            r"their names begin with module.\).*model.module.save_pre",
        ),
        (
            "masked_lm",
            lambda folder: rename_weights(folder, lambda name: "" if "layer.1" in name else name),
            "lacks 16 weights that BertForMaskedLM needs, such as bert.encoder.layer.1",
        ),
        ("classifier", lambda folder: rename_weights(folder, lambda name: "" if "layer.1" in name else name), "lacks 16 weights"),
        (
            "masked_lm",
            lambda folder: edit(folder / "config.json", num_hidden_layers=1),
            "holds 16 weights that BertForMaskedLM would leave out",
        ),
        (
            "classifier",
            lambda folder: edit(folder / "config.json", num_hidden_layers=1),
            "holds 16 weights that .* such as bert.encoder.layer.1",
        ),
        (
            "masked_lm",
            relative_positions,
            "holds 1 weights .*distance_embedding.weight: its config.json belongs to another model, or this version",
        ),
        ("masked_lm", lambda folder: edit(folder / "config.json", return_dict=False), "sets return_dict to False, .*: delete that entry"),
        ("classifier", lambda folder: edit(folder / "config.json", output_hidden_states=True), "sets output_hidden_states to True"),
        ("masked_lm", lambda folder: edit(folder / "config.json", output_attentions=True), "sets output_attentions to True"),
        (
            "classifier",
            lambda folder: edit(folder / "config.json", problem_type="multi_label_classification"),
            "sets problem_type to 'multi",
        ),
        ("masked_lm", lambda folder: edit(folder / "config.json", pad_token_id=9999), "cannot be opened .*Padding_idx"),
        ("classifier", without_post_processor, "puts no special tokens around the texts of a pair"),
        ("masked_lm", lambda folder: edit(folder / "config.json", vocab_size=9000), r"has .* of the shape \(8192.*where \(9000"),
        (
            "classifier",
            lambda folder: edit(folder / "config.json", hidden_size=64),
            "of the shape .* its config.json belongs to another model",
        ),
        ("masked_lm", lambda folder: (folder / "config.json").write_text("{"), "cannot be opened .*not a valid JSON file"),
        ("masked_lm", lambda folder: edit(folder / "config.json", vocab_size="many"), "cannot be opened .*vocab_size"),
        ("masked_lm", lambda folder: edit(folder / "config.json", model_type=None), "has no config.json that names a model_type"),
        ("masked_lm", lambda folder: (folder / "config.json").unlink(), "has no config.json that names a model_type|cannot be opened"),
        ("masked_lm", lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be opened"),
        ("masked_lm", lambda folder: edit(folder / "config.json", model_type="mine"), f"is of the architecture mine, and {ENCODERS}"),
        ("masked_lm", lambda folder: edit(folder / "config.json", is_decoder=True), f"is of the architecture bert, and {ENCODERS}"),
        ("masked_lm", architecture("Bart", **BART), f"is of the architecture bart, and {ENCODERS}"),
        ("masked_lm", architecture("MBart", **BART), f"is of the architecture mbart, and {ENCODERS}"),
        ("masked_lm", architecture("Mvp", **BART), f"is of the architecture mvp, and {ENCODERS}"),
        (
            "masked_lm",
            architecture("T5", d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=2),
            f"is of the architecture t5, and {ENCODERS}",
        ),
        ("classifier", architecture("T5", d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=2), "is of the architecture t5"),
        ("masked_lm", architecture("GPT2", n_embd=32, n_layer=1, n_head=2), f"is of the architecture gpt2, and {ENCODERS}"),
        ("classifier", architecture("GPT2", n_embd=32, n_layer=1, n_head=2), "is of the architecture gpt2"),
        ("masked_lm", adapter, r"holds an adapter, not a whole model: .*merge_and_unload\(\)"),
        (
            "masked_lm",
            lambda folder: edit(folder / "config.json", auto_map={"AutoModelForMaskedLM": "modeling_mine.Mine"}),
            "is a model with code of its own, which is not run here",
        ),
        (
            "masked_lm",
            lambda folder: edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_mine.Mine", None]}),
            "is a model with code of its own, which is not run here",
        ),
        (
            "classifier",
            lambda folder: edit(folder / "config.json", auto_map={"AutoModel": "modeling_mine.Mine"}, model_type="mine"),
            "is a model with code of its own, which is not run here",
        ),
    ],
)
def test_an_unfit_checkpoint_is_told_before_its_weights_are_loaded(folder, head, change, told):
    change(folder)
    with pytest.raises(ValueError, match=told) as caught:
        pretrained.check_files(str(folder), head)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "head, change, told",
    [
        ("masked_lm", larger_tokenizer, "has 8194 tokens and the model embeds 8192"),
        ("masked_lm", other_head("Model"), "lacks 6 weights that BertForMaskedLM needs"),
        ("masked_lm", lambda folder: rename_weights(folder, "_orig_mod.{}".format), r"their names begin with _orig_mod.\)"),
        ("classifier", lambda folder: rename_weights(folder, "_orig_mod.{}".format), r"their names begin with _orig_mod.\)"),
        ("masked_lm", not_finite, r"numbers that are not finite \(bert.embeddings.LayerNorm.weight\)"),
    ],
)
def test_the_same_is_told_of_what_came_from_the_hub_after_loading(folder, head, change, told):
    change(folder)
    tokenizer, model = load(folder, head)
    with pytest.raises(ValueError, match=told):
        pretrained.check_classifier(tokenizer, model) if head == "classifier" else pretrained.check_masked_lm(tokenizer, model, 32)


# -- How many tokens it reads


@pytest.mark.parametrize("family", FAMILIES)
def test_the_limit_is_the_longest_row_that_the_model_reads(family):
    tokenizer, model = AutoTokenizer.from_pretrained(LAB / "mini-bert", model_max_length=10**30), build(family).eval()
    limit = pretrained.max_length(tokenizer, model)
    with torch.no_grad():
        model(input_ids=torch.full((1, limit), 200))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, limit + 1), 200))


@pytest.mark.parametrize("stated, limit", [(10**30, 64), (None, 64), (48, 48), (512, 64)])
def test_the_tokenizer_is_limited_to_the_models_positions(folder, stated, limit):
    edit(folder / "tokenizer_config.json", model_max_length=stated)
    tokenizer, model = load(folder)
    pretrained.check_masked_lm(tokenizer, model, 32)
    assert tokenizer.model_max_length == limit == len(tokenizer("word " * 100, truncation=True)["input_ids"])


@pytest.mark.parametrize("stated, limit", [(10**30, 512), (48, 48)])
def test_without_positions_the_tokenizer_tells(stated, limit):
    tokenizer = AutoTokenizer.from_pretrained(LAB / "mini-bert", model_max_length=stated)
    model = transformers.XLNetLMHeadModel(transformers.XLNetConfig(vocab_size=200, d_model=32, n_layer=1, n_head=2, d_inner=64))
    assert pretrained.max_length(tokenizer, model) == limit


def test_chunks_beyond_the_models_positions_are_refused(folder):
    with pytest.raises(ValueError, match="Chunks of 65 tokens are longer than the 64 that this model takes: lower chunk_size"):
        pretrained.check_masked_lm(*load(folder), 65)
    pretrained.check_masked_lm(*load(folder), 64)
