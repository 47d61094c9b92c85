"""The entry about tensorflow-hub is flagged when what it says is no longer so."""

from dlnotes import catalogue, claims, layers
import pytest

hub = pytest.importorskip("tensorflow_hub")


@pytest.fixture(scope="module")
def entry():
    return catalogue.find("hub_sentence_encoder").load_claims().keras_layer_is_refused


def test_the_entry_holds_today(entry):
    assert claims.verdict(entry.findings()) == "holds"


def test_a_layer_that_is_accepted_again_is_noticed(entry, monkeypatch):
    monkeypatch.setattr(hub, "KerasLayer", layers.SavedModelLayer)
    verdicts = [finding.verdict for finding in entry.findings()]
    assert verdicts == ["contradicted", "contradicted", "holds", "holds", "holds"]
