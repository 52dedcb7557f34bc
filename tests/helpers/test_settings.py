"""Settings: a profile's row, and what a user puts in its place."""

import pytest

from common import ROOT
from helpers import i18n
from helpers.settings import PROFILES, ROWS, hub_calls, resolve

CHAPTER = "03_imdb_domain_adaptation"


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out")


def test_the_lab_profile_points_at_bundled_folders(out):
    settings = resolve(CHAPTER, output_dir=out)
    assert settings.checkpoint == str(ROOT / "lab" / "checkpoints" / "mini-bert")
    assert settings.dataset == (str(ROOT / "lab" / "corpora" / "reviews"),)


def test_the_hub_profile_is_the_tutorials_own_setting(out):
    settings = resolve(CHAPTER, "hub", output_dir=out)
    assert (settings.checkpoint, settings.dataset) == ("distilbert/distilbert-base-uncased", ("stanfordnlp/imdb",))
    assert (settings.num_train_epochs, settings.batch_size, settings.learning_rate, settings.weight_decay) == (3, 64, 2e-5, 0.01)
    assert (settings.max_train_samples, settings.max_eval_samples, settings.chunk_size) == (10_000, 1_000, 128)


def test_an_unknown_chapter_is_named(out):
    with pytest.raises(ValueError, match="Unknown chapter '99_x': there are settings for 01, 02, 03"):
        resolve("99_x", output_dir=out)


def test_a_limited_training_brings_a_limited_evaluation(out):
    assert [resolve(CHAPTER, max_train_samples=n, output_dir=out).max_eval_samples for n in (5, 2000)] == [1, 200]
    assert resolve(CHAPTER, max_train_samples=2000, max_eval_samples=50, output_dir=out).max_eval_samples == 50


@pytest.mark.parametrize("chapter", ROWS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_chapter_has_both_profiles(chapter, profile, out):
    assert resolve(f"{chapter}_x", profile, output_dir=out).profile == profile


def test_parameters_override_the_row_and_none_does_not(out):
    settings = resolve(CHAPTER, batch_size=4, learning_rate=None, seed=None, output_dir=out)
    assert (settings.batch_size, settings.learning_rate, settings.seed) == (4, 5e-4, 42)
    assert resolve(CHAPTER, seed=0, output_dir=out).seed == 0


def test_relative_folders_count_from_the_repository_root(tmp_path, out, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve(CHAPTER, dataset="lab/corpora/questions", output_dir=out).dataset == (str(ROOT / "lab" / "corpora" / "questions"),)


def test_a_configuration_follows_its_data_set(out):
    settings = resolve(CHAPTER, dataset="lab/corpora/reviews", dataset_config="default", output_dir=out)
    assert settings.dataset[1] == "default"


def test_no_path_of_this_machine_is_shown(out):
    settings = resolve(CHAPTER, output_dir=out)
    for text in (repr(settings), settings._repr_html_()):
        assert str(ROOT) not in text and out not in text
        assert "mini-bert" in text
    assert 'load_dataset("stanfordnlp/imdb")' in settings._repr_html_().replace("&quot;", '"')


def test_the_panel_shows_all_that_the_hub_profile_loads():
    questions, loop = (hub_calls(name) for name in ("04_eli5_distilroberta", "05_accelerate_loop"))
    assert questions[1] == 'load_dataset("dany0407/eli5_category", split="train[:5000]")'
    assert loop[2:] == ['AutoTokenizer.from_pretrained("google-bert/bert-base-uncased")', 'load_dataset("nyu-mll/glue", "mrpc")']


def test_the_profiles_first_rows_are_of_its_own_data_set(tmp_path, out):
    """A folder of one's own is read whole, also in the profile that takes 5,000 rows of its own set."""
    assert resolve("04_eli5_distilroberta", "hub", output_dir=out).split == "train[:5000]"
    assert resolve("04_eli5_distilroberta", "hub", dataset=str(tmp_path), output_dir=out).split == "train"
    assert resolve("04_eli5_distilroberta", "hub", dataset=str(tmp_path), split="test", output_dir=out).split == "test"


def test_text_in_settings_is_escaped(tmp_path, out):
    folder = tmp_path / "<b>"
    folder.mkdir()
    assert "<b>" not in resolve(CHAPTER, dataset=str(folder), output_dir=out)._repr_html_()


@pytest.mark.parametrize("device, offered", [("cuda", True), ("cpu", False)])
def test_a_gpu_in_the_lab_profile_brings_one_sentence(device, offered, out, monkeypatch):
    import torch

    monkeypatch.setattr("helpers.settings.default_device", lambda: torch.device(device))
    assert ("There is a GPU here" in resolve(CHAPTER, output_dir=out)._repr_html_()) is offered


@pytest.mark.parametrize(
    "parameters, error, message",
    [
        (dict(profile="lap"), ValueError, "Unknown profile 'lap': choose one of 'lab', 'hub'"),
        (dict(batchsize=3), ValueError, "Unknown parameter 'batchsize': the parameters cell of 03_imdb"),
        (dict(batch_size=0), ValueError, "batch_size must be a whole number above 0, not 0"),
        (dict(max_train_samples=1e3), ValueError, "max_train_samples must be a whole number above 0, not 1000.0"),
        (dict(max_train_samples="many"), ValueError, "max_train_samples must be a whole number above 0, not 'many'"),
        (dict(num_train_epochs=float("inf")), ValueError, "num_train_epochs must be a number above 0, not inf"),
        (dict(seed=-1), ValueError, "seed must be a whole number from 0 to 4294967295, not -1"),
        (dict(push_to_hub="false"), ValueError, "push_to_hub must be True or False, not 'false'"),
        (dict(dataset=2024), FileNotFoundError, "There is no folder '2024'"),
        (dict(learning_rate="fast"), ValueError, "learning_rate must be a number above 0, not 'fast'"),
        (dict(dataset="./nowhere"), FileNotFoundError, "There is no folder './nowhere' for dataset .* give an existing folder or a Hub id"),
        (dict(dataset="my texts/train"), FileNotFoundError, "There is no folder 'my texts/train' for dataset"),
        (dict(checkpoint="/no/such/model"), FileNotFoundError, "There is no folder '/no/such/model' for checkpoint"),
        (dict(dataset="imdb"), FileNotFoundError, "a Hub id such as 'owner/name'"),
        (dict(output_dir=""), ValueError, "output_dir is empty: leave it out, or give a value"),
        (dict(dataset=" "), ValueError, "dataset is empty: leave it out, or give a value"),
        (dict(checkpoint=""), ValueError, "checkpoint is empty: leave it out, or give a value"),
        (dict(text_column=""), ValueError, "text_column is empty: leave it out, or give a value"),
        (dict(weight_decay=-1), ValueError, "weight_decay must be a number of 0 or above, not -1"),
        (dict(weight_decay=float("nan")), ValueError, "weight_decay must be a number of 0 or above, not nan"),
        (dict(seed=2**32), ValueError, "seed must be a whole number from 0 to 4294967295, not 4294967296"),
        (dict(seed=1.0), ValueError, "seed must be a whole number from 0 to 4294967295, not 1.0"),
    ],
)
def test_wrong_parameters_are_told_in_one_sentence(parameters, error, message, out):
    with pytest.raises(error, match=message):
        resolve(CHAPTER, **{"output_dir": out} | parameters)


def test_resolving_leaves_no_trace(tmp_path):
    from datasets import config

    before = config.HF_DATASETS_CACHE, i18n.translated("Right.")
    resolve(CHAPTER, language="zh", dataset="lab/corpora/reviews", output_dir=str(tmp_path / "out"))
    assert (config.HF_DATASETS_CACHE, i18n.translated("Right.")) == before and list(tmp_path.iterdir()) == []
