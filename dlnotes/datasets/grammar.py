"""Sentences of a small language with agreement, and who depends on whom, generated."""

import collections

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import InputError, check_at_least
import numpy as np

TARGETS = ("next", "heads", "relations")
RELATIONS = ("none", "root", "det", "amod", "nsubj", "dobj", "prep", "pobj", "rcmod", "mark")
SINGULAR, PLURAL = "singular", "plural"
DETERMINERS = {SINGULAR: ("this", "every", "one"), PLURAL: ("these", "all", "two")}
ADJECTIVES = ("old", "small", "happy", "black", "quiet", "brave")
NOUNS = ("dog", "cat", "bird", "horse", "girl", "boy", "king", "teacher")
INTRANSITIVE = ("sleep", "run", "sing", "wait", "fall")
TRANSITIVE = ("see", "like", "follow", "help", "chase", "know")
PREPOSITIONS = ("near", "behind", "beside")
TRIES = 100

Word = collections.namedtuple("Word", "text kind number")


def grammar(samples=1000, steps=12, target="next", seed=0):
    """Generates sentences of a small language in which words depend on words far away.

    A sentence is a subject, a verb and, after a transitive verb, an object: "these old dogs follow
    every cat". Determiners and nouns agree in number, and so do a verb and its subject, however far
    away: between them there may be a prepositional phrase ("these dogs near this cat sleep") or a
    relative clause ("the king that all boys see waits"), whose nouns have a number of their own.
    Half of the sentences have one of the two. No sentence occurs twice, so that those of the test
    part are new.

    Every sequence begins with the mark "." (token 1), which is the last target too, and is padded
    with 0 at the end. With equal `samples`, `steps` and `seed` the sentences are the same for all
    targets.

    Reference: notes 002:1493-1495, 1561-1563 (heads of attention and syntax); Linzen et al.,
    "Assessing the ability of LSTMs to learn syntax-sensitive dependencies", TACL 2016 (agreement
    across nouns of another number). The relations are those of de Marneffe and Manning, "Stanford
    typed dependencies manual", 2008.

    Args:
        samples: Integer, number of sentences. 60 % are for training, 20 % each for validation and
            test. Defaults to `1000`.
        steps: Integer, words of the longest sentence with the mark before it, at least 4. No
            sentence is longer than 13. Defaults to `12`.
        target: What is asked of each word. `"next"`: the token that comes next. `"heads"`: the
            position of the word that it depends on; the verb of a sentence depends on the mark, at
            0, and so does the mark itself. `"relations"`: the place in `grammar_relations()` of
            the relation between the two. Defaults to `"next"`.
        seed: Integer. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(sentences, steps)` and holds tokens, places in
        `grammar_words()`; `y` has the same shape. Both are int32 and zero on padded steps.

    Raises:
        InputError: If an argument is out of its range, or there are not that many sentences.

    Example:

    >>> from dlnotes import datasets
    >>> words = [word.text for word in datasets.grammar_words()]
    >>> x, heads = datasets.grammar(samples=10, target="heads", seed=4).train
    >>> print(*(words[token] for token in x[0] if token))
    . two teachers beside every boy fall
    >>> print(*(words[x[0, head]] for token, head in zip(x[0], heads[0]) if token))
    . teachers fall teachers boy beside .
    """
    check_at_least(5, samples=samples)
    check_at_least(4, steps=steps)
    if target not in TARGETS:
        raise InputError(f"`target` is {target!r}, but must be 'next', 'heads' or 'relations'.")
    words = _words_by_kind()
    random = np.random.default_rng(seed)
    sentences = {}
    for _ in range(TRIES * samples):
        tokens, heads, relations = _sentence(random, words)
        if len(tokens) <= steps:
            targets = {"next": [*tokens[1:], 1], "heads": heads, "relations": relations}
            sentences[tuple(tokens)] = targets[target]
        if len(sentences) == samples:
            break
    else:
        raise InputError(
            f"`samples` is {samples}, but only {len(sentences)} different sentences with at most "
            f"{steps} steps were found: ask for fewer samples or for more `steps`."
        )
    x, y = np.zeros((2, samples, steps), "int32")
    for row, (tokens, targets) in enumerate(sentences.items()):
        x[row, : len(tokens)] = tokens
        y[row, : len(tokens)] = targets
    ends = [samples * 6 // 10, samples * 8 // 10]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return Dataset(*(Split(*part) for part in parts))


def grammar_words():
    """Returns the vocabulary of `grammar`: a list whose places are the tokens.

    The two forms of a noun or verb stand side by side, the singular first.

    Returns:
        A list of named tuples with `text`, `kind` (`"padding"`, `"mark"`, `"determiner"`,
        `"adjective"`, `"noun"`, `"intransitive"`, `"transitive"`, `"preposition"` or
        `"relativiser"`) and `number` (`"singular"`, `"plural"` or None).

    Example:

    >>> from dlnotes import datasets
    >>> [word.text for word in datasets.grammar_words() if word.kind == "transitive"][:4]
    ['sees', 'see', 'likes', 'like']
    """
    words = [Word("", "padding", None), Word(".", "mark", None)]
    words += [Word(text, "determiner", n) for n, texts in DETERMINERS.items() for text in texts]
    words += [Word(text, "adjective", None) for text in ADJECTIVES]
    for noun in NOUNS:
        words += [Word(noun, "noun", SINGULAR), Word(noun + "s", "noun", PLURAL)]
    for kind, verbs in (("intransitive", INTRANSITIVE), ("transitive", TRANSITIVE)):
        for verb in verbs:
            words += [Word(verb + "s", kind, SINGULAR), Word(verb, kind, PLURAL)]
    words += [Word(text, "preposition", None) for text in PREPOSITIONS]
    return [*words, Word("that", "relativiser", None)]


def grammar_relations():
    """Returns the names of the relations of `grammar(target="relations")`.

    Returns:
        A list of names: `"none"` (padding and the mark), `"root"` (the sentence's verb), `"det"`
        and `"amod"` (determiner and adjective to their noun), `"nsubj"` and `"dobj"` (subject and
        object to their verb), `"prep"` (preposition to the noun before it), `"pobj"` (noun to its
        preposition), `"rcmod"` (verb of a relative clause to the noun before it) and `"mark"`
        ("that" to the verb of its clause).

    Example:

    >>> from dlnotes import datasets
    >>> datasets.grammar_relations()[:3]
    ['none', 'root', 'det']
    """
    return list(RELATIONS)


def _words_by_kind():
    found = collections.defaultdict(list)
    for token, word in enumerate(grammar_words()):
        found[word.kind, word.number].append(token)
    return found


def _sentence(random, words):
    """Returns tokens, positions of the heads and relations of one sentence."""
    tokens, heads, relations = [1], [0], [0]

    def add(kind, number=None):
        choices = words[kind, number]
        tokens.append(choices[random.integers(len(choices))])
        heads.append(0)
        relations.append(0)
        return len(tokens) - 1

    def depend(position, head, relation):
        heads[position] = head
        relations[position] = RELATIONS.index(relation)

    def noun_phrase(number):
        determiner = add("determiner", number)
        adjective = add("adjective") if random.random() < 0.3 else None
        noun = add("noun", number)
        depend(determiner, noun, "det")
        if adjective is not None:
            depend(adjective, noun, "amod")
        return noun

    def verb_phrase(number):
        if random.random() < 0.5:
            return add("intransitive", number)
        verb = add("transitive", number)
        depend(noun_phrase(_number(random)), verb, "dobj")
        return verb

    def prepositional_phrase(noun):
        preposition = add("preposition")
        depend(preposition, noun, "prep")
        depend(noun_phrase(_number(random)), preposition, "pobj")

    def relative_clause(noun, number):
        that = add("relativiser")
        if random.random() < 0.5:
            verb = verb_phrase(number)
        else:
            other = _number(random)
            subject = noun_phrase(other)
            verb = add("transitive", other)
            depend(subject, verb, "nsubj")
        depend(that, verb, "mark")
        depend(verb, noun, "rcmod")

    number = _number(random)
    subject = noun_phrase(number)
    form = random.random()
    if form < 0.25:
        prepositional_phrase(subject)
    elif form < 0.5:
        relative_clause(subject, number)
    verb = verb_phrase(number)
    depend(subject, verb, "nsubj")
    depend(verb, 0, "root")
    return tokens, heads, relations


def _number(random):
    return (SINGULAR, PLURAL)[random.integers(2)]
