"""What stands before a task: bare, ours, or a user's own files, refused with reasons where they make no prompt."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from a3t.errors import RecipeError, UnknownNameError
from a3t.text.prompting import join_header, load_header, mixed, read_prompt, split_examples, without_thoughts
from a3t.text.react import HOUSEHOLD, WEBSHOP
from a3t.types import Task

PICK = Task("pick_and_place_simple-Book-None-Sofa-229/trial", "train", "pick_and_place_simple")
ODD = Task("x", "train", "juggle")

TWO_EXAMPLES = "You are here.\n> go to desk 1\nOn the desk 1, you see nothing.\n---\nYou are there.\n> look\nNothing.\n"


def header(prompt: object, task: Task = PICK, **options: object) -> str:
    options = {"kind": "react", "dialect": "household"} | options
    return load_header(str(prompt), **options)(task, "You are in the middle of a room.")  # type: ignore[arg-type]


def folder_of(path: Path, **files: str) -> Path:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.txt").write_text(text, encoding="utf-8")
    return path


def test_bare_is_nothing_at_all() -> None:
    assert header("bare") == ""
    assert header("bare", kind="actre", dialect="webshop") == ""


def test_a_text_file_is_used_as_it_is_for_every_task(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("Do well.\n---\n  > think: so.\n", encoding="utf-8")
    assert header(file) == header(file, ODD) == "Do well.\n---\n  > think: so.\n"
    assert header(file, num_examples=0, has_thoughts=False) == "Do well.\n---\n  > think: so.\n"


def test_the_task_never_continues_the_last_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_bytes(b"\xef\xbb\xbfDo well.\r\nVery well.")
    assert header(file) == "Do well.\nVery well.\n"


def test_a_folder_is_laid_out_as_ours_with_instruction_and_examples_by_type(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, instruction="Solve it.\n", pick_and_place_simple=TWO_EXAMPLES, default="Any.\n> look\nSo.\n")
    first, second = split_examples(TWO_EXAMPLES)
    assert header(folder) == f"Solve it.\n\n{first}\n\n{second}\n\n"
    assert header(folder, num_examples=1) == f"Solve it.\n\n{first}\n\n"
    assert header(folder, num_examples=0) == "Solve it.\n\n"
    assert header(folder, ODD) == "Solve it.\n\nAny.\n> look\nSo.\n\n"


def test_a_type_without_a_file_gets_a_mix_where_there_is_no_default(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, pick_and_place_simple=TWO_EXAMPLES, look_at_obj_in_light="Look here.\n")
    assert header(folder, ODD) == "Look here.\n\nYou are here.\n> go to desk 1\nOn the desk 1, you see nothing.\n\n"


def test_a_mix_is_as_varied_as_its_length_allows() -> None:
    assert mixed({"a": ("a1", "a2", "a3"), "b": ("b1",), "c": ("c1", "c2")}) == ("a1", "b1", "c1", "a2", "c2", "a3")


def test_a_task_type_is_never_a_path(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("password", encoding="utf-8")
    folder = folder_of(tmp_path / "prompts", default="Fine.")
    assert header(folder, Task("x", "train", "../secret")) == "Fine.\n\n"


def test_what_was_read_stays_whatever_happens_to_the_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, default="Before.")
    loaded = load_header(str(folder), kind="react", dialect="household")
    folder_of(tmp_path, default="After.")
    assert loaded(ODD, "") == "Before.\n\n"
    assert header(folder, ODD) == "After.\n\n"


def test_an_agent_that_never_thinks_is_shown_no_thought(tmp_path: Path) -> None:
    thinking = "Room.\n> think: A book?\nOK.\n> go to desk 1\nA book 1.\n> think: Yes.\nOK.\n> take book 1\nTaken."
    folder = folder_of(
        tmp_path, **{"instruction": "Think, then act.", "instruction-without-thoughts": "Act.", "default": thinking}
    )
    assert header(folder, has_thoughts=False) == "Act.\n\nRoom.\n> go to desk 1\nA book 1.\n> take book 1\nTaken.\n\n"
    assert header(folder, has_thoughts=False, kind="actre") == f"Think, then act.\n\n{thinking}\n\n"


def test_thoughts_are_taken_out_of_webshop_examples_too() -> None:
    search = "Page [Search]\n\nAction: think[First.]\nObservation: OK.\n\nAction: search[x]\nObservation: \n[a]"
    example = f"{search}\n\nAction: think[b]\nObservation: OK."
    assert without_thoughts(example, WEBSHOP) == "Page [Search]\n\nAction: search[x]\nObservation: \n[a]"


def test_an_observation_that_looks_like_a_thought_is_not_taken_out() -> None:
    example = "A note reads:\n> think: run\nand so you run.\n> look\nOK."
    assert without_thoughts(example, HOUSEHOLD) == example


def test_an_empty_line_stands_after_every_piece() -> None:
    assert join_header("", ("a", "b")) == "a\n\nb\n\n"
    assert join_header("Do.\n", ()) == "Do.\n\n"


@pytest.mark.parametrize("name", ["", "nowhere/at/all.txt", "~nobody-here/x", "a\0b", "x" * 5000, "few_shot", "Bare"])
def test_what_cannot_be_read_is_refused_with_what_was_looked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match="expected a text file, or a folder of them"):
        header(name)


def test_a_slip_of_the_pen_is_answered_with_the_name_that_was_meant() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'few-shot'"):
        header("fewshot")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"caf\xe9", "byte 3 is not"),
        (b"a\0b", "byte 1 is zero"),
        (b"x" * 1_000_001, "1,000,001 bytes"),
    ],
)
def test_a_file_that_is_no_text_is_refused(data: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes(data)
    with pytest.raises(RecipeError, match=why):
        read_prompt(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipeError, match="it is neither"):
        header(tmp_path / "pipe")


def test_a_folder_without_examples_says_which_files_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"expected <task_type>\.txt or default\.txt"):
        header(folder_of(tmp_path, instruction="Solve it."))


def test_a_file_of_dashes_holds_no_example(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"pick\.txt holds no example"):
        header(folder_of(tmp_path, pick="---\n---\n"))


def test_an_unknown_dialect_is_refused_even_for_a_bare_prompt() -> None:
    with pytest.raises(UnknownNameError, match="household"):
        header("bare", dialect="household1")


def test_headers_travel_between_processes(tmp_path: Path) -> None:
    loaded = load_header(str(folder_of(tmp_path, default="Fine.")), kind="react", dialect="household")
    assert pickle.loads(pickle.dumps(loaded))(ODD, "") == "Fine.\n\n"
