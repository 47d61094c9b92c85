from dlnotes import datasets
from dlnotes.errors import InputError
import numpy as np
import pytest

WORDS = datasets.grammar_words()
RELATIONS = datasets.grammar_relations()
VERBS = ("intransitive", "transitive")
KINDS = {
    "root": (VERBS, ("mark",)),
    "det": (("determiner",), ("noun",)),
    "amod": (("adjective",), ("noun",)),
    "nsubj": (("noun",), VERBS),
    "dobj": (("noun",), ("transitive",)),
    "prep": (("preposition",), ("noun",)),
    "pobj": (("noun",), ("preposition",)),
    "rcmod": (VERBS, ("noun",)),
    "mark": (("relativiser",), VERBS),
}


def parsed(samples=400, part="train", **options):
    """Yields words, positions of their heads and names of their relations, sentence by sentence."""
    heads = getattr(datasets.grammar(samples, target="heads", **options), part)
    relations = getattr(datasets.grammar(samples, target="relations", **options), part)
    np.testing.assert_array_equal(heads.x, relations.x)
    for x, head, relation in zip(heads.x, heads.y, relations.y, strict=True):
        length = np.count_nonzero(x)
        assert not x[length:].any() and not head[length:].any() and not relation[length:].any()
        yield [WORDS[token] for token in x[:length]], head, [RELATIONS[i] for i in relation]


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_what_depends_on_each_other_agrees(part):
    across = set()
    for words, heads, relations in parsed(part=part):
        for place, word in enumerate(words):
            head = heads[place]
            subject_of_clause = relations[place] == "rcmod" and "nsubj" not in [
                relations[other] for other in range(len(words)) if heads[other] == place
            ]
            if relations[place] in ("det", "nsubj") or subject_of_clause:
                assert word.number == words[head].number is not None
            if relations[place] == "nsubj":
                between = words[place + 1 : head]
                across.update(w.number != word.number for w in between if w.kind == "noun")
    assert across == {False, True}  # nouns of the same and of the other number stand between


def test_every_word_but_the_mark_depends_on_a_word_of_the_right_kind():
    seen = set()
    for words, heads, relations in parsed():
        assert words[0].kind == "mark" and heads[0] == 0 and relations[0] == "none"
        assert relations.count("root") == 1
        for place in range(1, len(words)):
            kinds, head_kinds = KINDS[relations[place]]
            assert words[place].kind in kinds and words[heads[place]].kind in head_kinds
            seen.add(relations[place])
            verb = words[place].kind
            dependants = [relations[at] for at in range(len(words)) if heads[at] == place]
            if verb == "intransitive":
                assert "dobj" not in dependants
            if verb == "transitive" and relations[place] == "root":
                assert dependants.count("dobj") == 1
            if verb in VERBS and relations[place] == "root":
                assert dependants.count("nsubj") == 1
    assert seen == set(RELATIONS) - {"none"}


def test_dependencies_form_a_tree_without_crossings():
    for words, heads, _ in parsed():
        arcs = [sorted((place, heads[place])) for place in range(1, len(words))]
        assert all(not a < c < b < d for a, b in arcs for c, d in arcs)
        for place in range(len(words)):
            for _ in words:
                place = heads[place]
            assert place == 0


def test_the_next_word_is_the_target_and_the_mark_ends_the_sentence():
    x, y = datasets.grammar(50, seed=3).test
    for row, targets in zip(x, y, strict=True):
        length = np.count_nonzero(row)
        assert targets[: length - 1].tolist() == row[1:length].tolist()
        assert targets[length - 1] == 1 and not targets[length:].any()


def test_a_seed_repeats_and_no_sentence_occurs_twice():
    first, again, other = (datasets.grammar(500, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, other.train.x)
    rows = np.concatenate([part.x for part in vars(first).values()])
    assert [len(part.x) for part in vars(first).values()] == [300, 100, 100]
    assert len(np.unique(rows, axis=0)) == 500
    assert rows.dtype == first.train.y.dtype == "int32"


def test_short_sentences_alone_are_found_when_steps_are_few():
    x = datasets.grammar(60, steps=4).train.x
    assert (np.count_nonzero(x, axis=1) == 4).all()


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="`target` is 'head', but must be 'next', 'heads' or"):
        datasets.grammar(target="head")
    with pytest.raises(InputError, match="`samples` is 500, but only 240 different sentences with"):
        datasets.grammar(500, steps=4)
    with pytest.raises(InputError, match="`steps` is 3, but must be at least 4"):
        datasets.grammar(steps=3)


def test_the_two_forms_of_a_word_stand_side_by_side():
    for token, word in enumerate(WORDS):
        if word.kind in ("noun", *VERBS) and word.number == "singular":
            other = WORDS[token + 1]
            assert (other.kind, other.number) == (word.kind, "plural")
            assert word.text.rstrip("s") == other.text.rstrip("s")
