"""Annotations in transcripts: `[noise]`, `<unk>`, `(laughter)`. They describe a recording and are not said in it.

Square, angle and curly brackets rarely hold speech, so `find_marked` finds whatever stands in them; but only known
names count as annotations, because `the <gate>` may be text. Knows nothing of settings.
"""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

# Of the transcription manuals of Switchboard, Fisher, TED-LIUM, GigaSpeech, CORAAL, CHiME and Kaldi's recipes.
_NAMES = """
    applause background barking beep bgnoise bleep blank breath breathing breathy chatter cheering chuckle chuckles clap
    clapping click clicking clears clearing coughs cough coughing cross crosstalk crying eps eos exhale exhales foreign
    garbage gasp gasps giggle giggles hesitation hiss hum humming inaudible inhale inhales int laugh laughing laughs
    laughter lipsmack mouth music musical noise nonspeech nonvocalization nsn oov other overlap overlapping pause phone
    redacted ringing scoff sigh sighs sil silence silent singing smack sneeze sneezes sniff sniffs sos sound speech
    spn spoken static sta swallow throat tongue typing unclear unintelligible unk unknown unrecognized vocalized
    vocalization whispering whistle whistling xxx yawn
""".split()  # noqa: SIM905
# Names of several words consist of these and of names; none of them is an annotation by itself.
_COMPANIONS = frozenset(
    "a and audience in non of on or side speaker speakers the voice voices vocal words".split()  # noqa: SIM905
)
# Words that are said as often as they annotate: an annotation only in square, angle or curly brackets.
_SAID = frozenset(
    "background blank clears cross foreign int mouth other phone sound speech spoken static throat".split()  # noqa: SIM905
)
_KNOWN = frozenset(_NAMES)
_MARKED = re.compile(r"\[[^\[\]]{1,40}\]|<[^<>]{1,40}>|\{[^{}]{1,40}\}|\(\(?[^()]{1,40}\)\)?|\*[^*\s]{1,40}\*")


def find_annotations(text: str, names: Collection[str] = ()) -> list[str]:
    """Return the annotations of a text, as they are written; `names` are known besides the usual ones."""
    return [match[0] for match in _find(text, tuple(names))]


def drop_annotations(text: str, names: Collection[str] = ()) -> str:
    """Replace annotations by spaces."""
    while found := list(_find(text, tuple(names))):  # one may stand within another
        for match in reversed(found):
            text = f"{text[: match.start()]} {text[match.end() :]}"
    return text


def find_marked(text: str) -> list[str]:
    """Return everything in square, angle or curly brackets, and the annotations in other marks."""
    if not any(mark in text for mark in "[<{(*"):
        return []
    return [match[0] for match in _MARKED.finditer(text) if match[0][0] in "[<{" or _is_annotation(match[0], ())]


def _find(text: str, names: tuple[str, ...]) -> Iterator[re.Match[str]]:
    if any(mark in text for mark in "[<{(*"):
        yield from (match for match in _MARKED.finditer(text) if _is_annotation(match[0], names))


@lru_cache(maxsize=4096)
def _is_annotation(marked: str, names: tuple[str, ...]) -> bool:
    inner = marked.strip("[]<>{}()*").casefold()
    if inner in {name.casefold() for name in names}:
        return True
    words = re.findall(r"[^\W\d_]+", inner)
    # [SPN], <noise/>, </noise>, <spoken_noise>, [background noise], ((unintelligible))
    known = [word for word in words if word in _KNOWN]
    if not known or not all(word in _KNOWN or word in _COMPANIONS for word in words):
        return False
    return marked[0] in "[<{" or any(word not in _SAID for word in known)
