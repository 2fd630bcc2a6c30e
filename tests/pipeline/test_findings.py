"""What is wrong with parameters as sentences: what is wrong in several tasks is one sentence that names all of them."""

from pixieioc.pipeline.findings import Finding, sentences


def test_the_same_in_several_tasks_is_one_sentence() -> None:
    wrong = " = -1: must be a number from 0 to 10"
    found = [Finding("A", "gain", wrong), Finding("A", "low", wrong), Finding("B", "gain", wrong)]
    assert sentences(found) == [f"A.gain and B.gain{wrong}", f"A.low{wrong}"]
    assert sentences([*found, Finding("C", "gain", wrong)])[0] == f"A.gain, B.gain and C.gain{wrong}"


def test_other_things_in_other_tasks_are_sentences_of_their_own() -> None:
    found = [Finding("A", "gain", " = -1: is too low"), Finding("B", "gain", " = -1: must be 3")]
    assert sentences(found) == ["A.gain = -1: is too low", "B.gain = -1: must be 3"]


def test_what_is_about_a_table_as_a_whole_stays_with_its_key() -> None:
    found = [Finding("Slort", "", ": no task has this name"), Finding("Pork", "", ": no task has this name")]
    assert sentences(found) == ["Slort: no task has this name", "Pork: no task has this name"]
