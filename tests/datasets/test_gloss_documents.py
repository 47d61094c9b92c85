from dlnotes import datasets
from dlnotes.errors import InputError
import pytest

DECIDING = {"animal", "body", "food", "person", "plant"}


@pytest.fixture(scope="module")
def kinds():
    return datasets.glosses().set_index("text")["label"]


def test_one_sentence_decides_and_no_other_one_could(kinds):
    for document in datasets.gloss_documents(300, sentences=5, seed=1).itertuples():
        found = kinds[list(document.sentences)]
        deciding = [place for place, kind in enumerate(found) if kind in DECIDING]
        assert deciding == [document.decides]
        assert found.iloc[document.decides] == document.label


def test_with_rivals_the_first_of_several_deciding_kinds_counts(kinds):
    places = set()
    for document in datasets.gloss_documents(300, rivals=2).itertuples():
        found = kinds[list(document.sentences)].tolist()
        deciding = [place for place, kind in enumerate(found) if kind in DECIDING]
        assert len(deciding) == 3 and deciding[0] == document.decides
        assert found[deciding[0]] == document.label
        assert document.label not in [found[place] for place in deciding[1:]]
        places.add(document.decides)
    assert places == {0, 1, 2, 3}


def test_lengths_places_and_labels_are_spread():
    table = datasets.gloss_documents(2000, sentences=6)
    lengths = table["sentences"].map(len)
    assert set(lengths) == {3, 4, 5, 6}
    assert set(table.loc[lengths == 6, "decides"]) == set(range(6))
    assert table.loc[lengths == 6, "decides"].value_counts(normalize=True).between(0.1, 0.24).all()
    assert set(table["label"]) == DECIDING
    assert table["label"].value_counts(normalize=True).between(0.16, 0.24).all()


def test_no_definition_decides_twice():
    table = datasets.gloss_documents(7500, sentences=2)
    texts = [row.sentences[row.decides] for row in table.itertuples()]
    assert len(set(texts)) == 7500


def test_one_seed_gives_one_table_and_another_seed_another_one():
    first, same, other = (datasets.gloss_documents(20, seed=seed) for seed in (3, 3, 4))
    assert first.equals(same) and not first.equals(other)


def test_wrong_numbers_are_refused():
    with pytest.raises(InputError, match="`samples` is 7501, but there are 7500 definitions"):
        datasets.gloss_documents(7501)
    with pytest.raises(InputError, match="`sentences` is 0, but must be at least 1"):
        datasets.gloss_documents(sentences=0)
    with pytest.raises(InputError, match="`rivals` is -1, but must be at least 0"):
        datasets.gloss_documents(rivals=-1)
    with pytest.raises(InputError, match="`rivals` is 3, but the shortest of documents of up to 6"):
        datasets.gloss_documents(rivals=3)
