# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint's generation_config.json does to the logits, as `generate()` and the plugin have it."""

import torch
import transformers
from transformers import LogitsProcessorList

# What asks for another answer than a greedy or sampled one, and the values that ask for nothing.
REFUSED = {"num_beams": (1,), "num_beam_groups": (1,), "num_return_sequences": (1,), "penalty_alpha": (0,), "diversity_penalty": (0,),
           "encoder_no_repeat_ngram_size": (0,), "guidance_scale": (1,), "encoder_repetition_penalty": (1,), "constraints": (),
           "force_words_ids": (), "forced_decoder_ids": (), "dola_layers": (), "watermarking_config": (), "stop_strings": (), "max_time": ()}


def check_generation_config(config, name: str) -> None:
    """Raises ValueError that names what is not done."""
    for key, harmless in REFUSED.items():
        value = getattr(config, key, None)
        if value is not None and value not in harmless:
            raise ValueError(f"{name}: generation_config.json: {key} = {value!r} is not supported (take the key out to do without)")


def end_tokens(config) -> list[int]:
    end = config.eos_token_id
    return [] if end is None else list(end) if isinstance(end, (list, tuple)) else [end]


def logits_processors(config, prompt_length: int, max_new_tokens: int) -> LogitsProcessorList:
    """The processors that the configuration asks for, in the order of `generate()`."""
    def wanted(key, *nothing):
        value = getattr(config, key, None)
        return None if value is None or value in nothing else value

    ends, processors = end_tokens(config), LogitsProcessorList()

    def add(kind, *arguments):
        processors.append(getattr(transformers, kind)(*arguments))

    if bias := wanted("sequence_bias"):
        add("SequenceBiasLogitsProcessor", bias)
    if penalty := wanted("repetition_penalty", 1):
        add("RepetitionPenaltyLogitsProcessor", float(penalty))
    if size := wanted("no_repeat_ngram_size", 0):
        add("NoRepeatNGramLogitsProcessor", size)
    if words := [word for word in wanted("bad_words_ids") or [] if word not in [[end] for end in ends]]:
        add("NoBadWordsLogitsProcessor", words)
    least = wanted("min_new_tokens")
    if least is None and ends and (length := wanted("min_length", 0)):
        add("MinLengthLogitsProcessor", length, ends)
    if ends and least:
        add("MinNewTokensLengthLogitsProcessor", prompt_length, least, ends)
    if (begin := wanted("forced_bos_token_id")) is not None:
        add("ForcedBOSTokenLogitsProcessor", begin)
    if (end := wanted("forced_eos_token_id")) is not None:
        add("ForcedEOSTokenLogitsProcessor", prompt_length + max_new_tokens, end)
    if wanted("remove_invalid_values", False):
        add("InfNanRemoveLogitsProcessor")
    if decay := wanted("exponential_decay_length_penalty"):
        add("ExponentialDecayLengthPenalty", tuple(decay), ends, prompt_length)
    if tokens := wanted("suppress_tokens"):
        add("SuppressTokensLogitsProcessor", tokens)
    if tokens := wanted("begin_suppress_tokens"):
        add("SuppressTokensAtBeginLogitsProcessor", tokens, prompt_length)
    return processors


def processed(processors: LogitsProcessorList, ids: list[int], logits: torch.Tensor) -> torch.Tensor:
    """Logits [V] of the token after `ids` as the choice sees them."""
    return processors(torch.tensor([ids]), logits[None])[0] if processors else logits
