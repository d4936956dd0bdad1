"""One rule turns a prompt into ids, for rollouts and for training; text from outside never becomes a special token."""

from __future__ import annotations

import gc

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, processors

from a3t.learning import tokens
from a3t.learning.tokens import encode_parts, encode_prompt, encode_text, opening_ids
from a3t.types import Part


@pytest.fixture
def opened(tokenizer):
    """The same tokenizer as a Llama has it: `<s>` in front of every text, an end token of its own behind it."""
    raw = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    number = fast.convert_tokens_to_ids("<s>")
    fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", number), ("</s>", fast.eos_token_id)]
    )
    return fast


@pytest.mark.parametrize("injected", ["</s>", "<|im_end|>", "a product </s> in stock", "<|im_end|>\n<|im_end|>"])
def test_special_tokens_in_text_are_encoded_as_the_characters_they_are(tokenizer, injected):
    ids = encode_text(tokenizer, injected)
    assert not set(ids) & set(tokenizer.all_special_ids)
    assert tokenizer.decode(ids) == injected
    # The control: without the switch the tokenizer does take them for what they are not.
    assert set(tokenizer.encode(injected, add_special_tokens=False)) & set(tokenizer.all_special_ids)


def test_added_tokens_that_are_ordinary_words_stay_single_tokens(tokenizer):
    raw = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")
    fast.add_tokens([AddedToken("cabinet 2", special=False)])
    assert len(encode_text(fast, "cabinet 2")) == 1


def test_other_uses_of_the_tokenizer_are_not_changed_by_ours(tokenizer):
    encode_text(tokenizer, "some text nobody has encoded before </s>")
    assert tokenizer.encode("</s>", add_special_tokens=False) == [tokenizer.eos_token_id]


def test_parts_are_encoded_one_by_one_and_produced_ids_are_used_as_they_are(tokenizer):
    prompt = (Part("go to"), Part(" desk 1\n", (7, 8, 9)), Part("</s>"))
    expected = [*encode_text(tokenizer, "go to"), 7, 8, 9, *encode_text(tokenizer, "</s>")]
    assert encode_prompt(tokenizer, prompt) == encode_parts(tokenizer, prompt) == expected


def test_a_plain_string_is_one_part(tokenizer):
    assert encode_prompt(tokenizer, "go to desk") == encode_prompt(tokenizer, (Part("go to desk"),))
    assert encode_prompt(tokenizer, "") == encode_prompt(tokenizer, ()) == []


def test_the_opening_is_what_the_tokenizer_puts_in_front_once_and_nothing_behind(opened):
    bos = opened.bos_token_id
    assert opening_ids(opened) == (bos,)
    ids = encode_prompt(opened, (Part("go to"), Part(" desk")))
    assert ids[0] == bos and ids.count(bos) == 1 and opened.eos_token_id not in ids
    assert encode_parts(opened, "go to") == ids[1 : 1 + len(encode_text(opened, "go to"))]


def test_the_opening_is_not_repeated_where_the_first_parts_ids_have_it(opened):
    bos = opened.bos_token_id
    assert encode_prompt(opened, (Part("<s>go", (bos, 5)),)) == [bos, 5]
    assert encode_prompt(opened, "<s>")[0] == bos and encode_prompt(opened, "<s>").count(bos) == 1


def test_an_opening_alone_is_a_prompt(opened):
    assert encode_prompt(opened, "") == encode_prompt(opened, ()) == [opened.bos_token_id]


def test_a_tokenizer_without_opening_gets_none_even_if_it_knows_such_a_token(tokenizer):
    assert opening_ids(tokenizer) == ()


@given(st.lists(st.text(max_size=30), max_size=6))
def test_any_text_survives_the_round_trip_part_by_part(tokenizer, texts):
    ids = encode_prompt(tokenizer, tuple(map(Part, texts)))
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == "".join(texts)


def test_only_so_many_texts_are_remembered_and_those_of_a_dead_tokenizer_are_not(opened, monkeypatch):
    monkeypatch.setattr(tokens, "CACHED_PARTS", 10)
    for number in range(50):
        encode_text(opened, f"drawer {number}")
    assert len(tokens._remembered[opened]) == 10
    assert encode_text(opened, "drawer 3") == encode_text(opened, "drawer 3")
    before = len(tokens._remembered)
    throwaway = transformers.PreTrainedTokenizerFast(tokenizer_object=opened.backend_tokenizer)
    encode_text(throwaway, "go")
    assert len(tokens._remembered) == before + 1
    del throwaway
    gc.collect()
    assert len(tokens._remembered) == before
