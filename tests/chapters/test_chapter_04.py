"""Chapter 04: holes, the table of architectures, and what the notebook claims of the library."""

import json

import nbformat
import pytest
import transformers
from packaging.version import Version
from transformers import AutoTokenizer, DataCollatorForLanguageModeling
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from common import ROOT
from helpers import validation
from tools.architectures import TUTORIAL

TABLE = json.loads((ROOT / "notebooks" / "assets" / "architectures.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def byte_level():
    return AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-roberta")


@pytest.fixture(scope="module")
def rows():
    return {row["architecture"]: row for row in TABLE["rows"]}


# -- Holes -----------------------------------------------------------------------------------------------------------


def test_a_text_with_one_hole_of_the_tokenizers_own_passes(tokenizer, byte_level):
    for one in (tokenizer, byte_level):
        validation.check_one_mask(one, f"Whales are {one.mask_token}.")


def test_another_familys_mask_is_told_in_one_sentence(tokenizer, byte_level):
    with pytest.raises(ValueError, match=r"has the mask token \[MASK\], not <mask>.*tokenizer\.mask_token"):
        validation.check_one_mask(tokenizer, "Whales are <mask>.")
    with pytest.raises(ValueError, match=r"has the mask token <mask>, not \[MASK\].*tokenizer\.mask_token"):
        validation.check_one_mask(byte_level, "Whales are [MASK].")


@pytest.mark.parametrize("text, times", [("No hole.", 0), ("<mask> and <mask>.", 2)])
def test_none_and_several_holes_are_told(byte_level, text, times):
    with pytest.raises(ValueError, match=f"needs <mask> exactly once, and the text has it {times} times"):
        validation.check_one_mask(byte_level, text)


def test_the_byte_level_mask_takes_the_space_before_it(byte_level):
    with_hole = byte_level("The sky is <mask>.")["input_ids"]
    filled = byte_level("The sky is blue.")["input_ids"]
    hole = with_hole.index(byte_level.mask_token_id)
    assert with_hole[:hole] == filled[:hole] and with_hole[hole + 1 :] == filled[-2:]  # no lone space before the hole


def test_bytes_come_back_as_they_went_in(byte_level):
    text = "Naïve whales don't need 🐳 emoji.\n\tΩ"
    encoded = byte_level(text)
    assert byte_level.decode(encoded["input_ids"], skip_special_tokens=True) == text
    assert byte_level.unk_token_id not in encoded["input_ids"] and "token_type_ids" not in encoded


# -- Padding that is the end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mlm, own, borrowed", [(True, 0, 0), (False, 2, 0)])
def test_what_padding_by_the_end_token_does_to_the_labels_of_ends(byte_level, mlm, own, borrowed):
    other = AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-roberta", pad_token=byte_level.eos_token)
    texts = [byte_level("Why is the sky blue in the daytime?"), byte_level("Why?")]
    for padding, expected in ((byte_level, own), (other, borrowed)):
        batch = DataCollatorForLanguageModeling(padding, mlm=mlm, mlm_probability=1.0, seed=0)(texts)
        assert int((batch["labels"] == byte_level.eos_token_id).sum()) == expected


# -- The table -------------------------------------------------------------------------------------------------------


def test_the_table_has_every_mapped_architecture_and_every_one_of_the_guides(rows):
    made_by = Version(TABLE["transformers"])
    if Version(transformers.__version__) > made_by:
        pytest.skip(f"the table was made by transformers {made_by}")
    needless = set(rows) - set(MODEL_FOR_MASKED_LM_MAPPING_NAMES) - set(TUTORIAL)
    assert set(MODEL_FOR_MASKED_LM_MAPPING_NAMES) | set(TUTORIAL) <= set(rows) and (
        not needless or Version(transformers.__version__) < made_by
    )
    assert {name: rows[name]["class"] for name in MODEL_FOR_MASKED_LM_MAPPING_NAMES} == dict(MODEL_FOR_MASKED_LM_MAPPING_NAMES)


def test_what_is_gone_is_named_with_a_reason(rows):
    missing = set(TUTORIAL) - set(MODEL_FOR_MASKED_LM_MAPPING_NAMES)
    for name, row in rows.items():
        assert row["step"] or row["note"], name
    assert all(not rows[name]["step"] and rows[name]["parameters"] is None for name in missing)


def test_models_are_tiny_and_hold_the_vocabulary(rows):
    for row in rows.values():
        if row["step"]:
            assert 8192 * 32 < row["parameters"] < 1_000_000, row


def test_the_notebook_shows_what_the_table_says(rows):
    cells = nbformat.read(ROOT / "notebooks" / "04_eli5_distilroberta.ipynb", as_version=4).cells
    shown = "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))
    for name in ("fnet", "longformer", "modernbert"):
        line = next(line for line in shown.splitlines() if line.startswith(f"{name} "))
        assert f"{rows[name]['parameters']:,} parameters" in line
    assert "same tokens: True\nsame probabilities: True\n" in shown
