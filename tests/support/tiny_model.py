"""A model folder made on the spot: Qwen2-shaped, random weights, a real tokenizer. No network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CHAT = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

TEXT = """Which answer is better, (A) or (B)? Answer with one letter: A or B. Answer yes or no. Yes. No.
The quick brown fox jumps over the lazy dog. How kind is this reply, from 1 to 10? Be honest and be helpful.
What is the capital of France? Paris is the capital of France. I cannot help with that, only with this."""


def make_tiny_model(
    folder: Path,
    seed: int = 0,
    template: str | None = CHAT,
    *,
    hidden: int = 64,
    layers: int = 2,
    context: int = 1024,
    text: str = TEXT,
) -> Path:
    """About 300,000 parameters unless told, float32; digits are single tokens, so that "10" begins like "1".

    The weights are drawn wide: the next token is far from uniform, and rounding does not decide greedy text.
    """
    from transformers import Qwen2ForCausalLM

    _seed(seed)
    Qwen2ForCausalLM(_config(folder, template, hidden, layers, context, text)).save_pretrained(folder)
    return folder


def make_tiny_reward(
    folder: Path, seed: int = 0, template: str | None = CHAT, *, labels: int = 1, pad: bool = True
) -> Path:
    """The same shape with a head for sequence classification. ``pad``: whether the checkpoint names a padding token."""
    from transformers import Qwen2ForSequenceClassification

    _seed(seed)
    config = _config(folder, template, 64, 2, 1024, TEXT)
    config.num_labels = labels
    if not pad:
        config.pad_token_id = None
    Qwen2ForSequenceClassification(config).save_pretrained(folder)
    return folder


def _seed(seed: int) -> None:
    import torch

    torch.manual_seed(seed)


def _config(folder: Path, template: str | None, hidden: int, layers: int, context: int, text: str) -> Any:
    """Saves the tokenizer, which says how large the vocabulary is."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400 if text is TEXT else 1000,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.splitlines() * 4, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=special[2], pad_token=special[0])
    fast.chat_template = template
    fast.save_pretrained(folder)

    return Qwen2Config(
        vocab_size=len(fast),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=context,
        tie_word_embeddings=False,
        initializer_range=0.3,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        bos_token_id=None,
        dtype="float32",
    )
