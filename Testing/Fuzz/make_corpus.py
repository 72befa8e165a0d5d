#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the fuzz targets' corpora: good inputs and hostile ones, one folder a target.

    python Testing/Fuzz/make_corpus.py          (standard library only)

Files that a fuzzer found stand beside them and are left alone.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
DEEP = "[" * 1000


def write(target: str, name: str, content: bytes | str | dict) -> None:
    if isinstance(content, dict):
        content = json.dumps(content, separators=(",", ":"))
    if isinstance(content, str):
        content = content.encode()
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def safetensors(header: dict | str, data: bytes = b"", length: int | None = None) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds() -> None:
    def seed(name: str, *args: object, **options: object) -> None:
        write("FuzzSafetensors", name, safetensors(*args, **options))

    types = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "U8": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8, "BOOL": 1}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for dtype, size in types.items():
        header[dtype.lower()] = entry(dtype, [2, 1], len(data), len(data) + 2 * size)
        data += bytes(range(2 * size))
    seed("good", header, data)
    seed("empty_tensor", {"a": entry("F32", [0, 3], 0, 0)})
    seed("scalar", {"a": entry("F32", [], 0, 4)}, b"\0\0\x80\x7f")
    seed("unaligned", {"a": entry("U8", [1], 0, 1), "b": entry("F32", [1], 1, 5)}, b"12345")
    seed("no_tensors", {})
    seed("truncated_data", {"a": entry("F32", [4], 0, 16)}, b"1234")
    seed("overlap", {"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, bytes(12))
    seed("reversed", {"a": entry("U8", [1], 5, 4)}, bytes(8))
    seed("shape_overflow", {"a": entry("F32", [2**62, 2**62], 0, 16)}, bytes(16))
    seed("shape_wraps_to_size", {"a": entry("F32", [2**62 + 1], 0, 4)}, bytes(4))
    seed("negative", {"a": entry("F32", [-1, -1], 0, 4)}, bytes(4))
    seed("unknown_type", {"a": entry("F8_E4M3", [4], 0, 4)}, bytes(4))
    seed("offset_2_64", {"a": entry("U8", [1], 2**64 - 1, 2**64)}, bytes(4))
    seed("many_axes", {"a": entry("U8", [1] * 50, 0, 1)}, b"1")
    seed("metadata_number", {"__metadata__": {"a": 1}})
    seed("deep", '{"a":' + DEEP)
    seed("header_length_max", {}, length=2**64 - 1)
    seed("header_length_beyond", {}, length=100)
    seed("not_json", "{" * 20)
    seed("list", "[]")
    write("FuzzSafetensors", "short", b"\x08\0\0")


def trace_parts() -> tuple[dict, dict, bytes]:
    """Metadata, entries and data of a small good trace: P = 5, T = 2, a grid of 1 x 2."""
    roles = ["system", "image", "image", "question", "special", "answer", "answer"]
    metadata = {
        "format": "lvlm-trace", "version": "1", "model": "m", "prompt": "<image>?", "answer": "a b",
        "tokens": json.dumps(["<s>", "<image>", "<image>", "?", ":", "▁a", "▁b"]),
        "roles": json.dumps(roles), "prompt_length": "5", "image_start": "1", "grid": "1,2",
    }  # fmt: skip
    shapes = {
        "image": ("U8", [2, 4, 3], 1), "tokens.id": ("I64", [7], 8), "answer.logprob": ("F32", [2], 4),
        "answer.topk_id": ("I64", [2, 2], 8), "answer.topk_logprob": ("F32", [2, 2], 4),
        "attention.answer": ("F16", [2, 1, 2, 6], 2), "attention.full": ("F32", [1, 1, 6, 6], 4),
        "attention.full.layers": ("I64", [1], 8), "attention.vision": ("BF16", [1, 1, 3, 3], 2),
        "relevancy.decoder": ("F32", [2, 6], 4), "relevancy.joint": ("F32", [2, 2], 4),
        "hidden.states": ("BF16", [1, 6, 3], 2), "hidden.layers": ("I64", [1], 8),
        "lens.id": ("I64", [1, 6, 2], 8), "lens.logprob": ("F32", [1, 6, 2], 4),
    }  # fmt: skip
    entries, size = {}, 0
    for name, (dtype, shape, width) in shapes.items():
        count = width
        for extent in shape:
            count *= extent
        entries[name] = entry(dtype, shape, size, size + count)
        size += count
    return metadata, entries, bytes(size)


def trace_seeds() -> None:
    def seed(name: str, drop: tuple[str, ...] = (), **changes: str) -> None:
        metadata, entries, data = trace_parts()
        metadata = {k: v for k, v in {**metadata, **changes}.items() if k not in drop}
        entries = {k: v for k, v in entries.items() if k not in drop}
        write("FuzzTrace", name, safetensors({"__metadata__": metadata, **entries}, data))

    seed("good")
    whole = {"image": 0, "start": 1, "rows": 1, "cols": 1, "stride": 1, "box": [0, 0, 4, 2]}
    tile = {**whole, "start": 2, "box": [2, 0, 4, 2]}
    for name, list_of in {"regions": [whole, tile], "regions_same": [whole, whole], "regions_none": [], "regions_deep": DEEP,
                          "regions_wide": [whole, {**tile, "cols": 65536, "stride": 65536}], "regions_stride": [whole, {**tile, "stride": 2**62, "rows": 9}],
                          "regions_box": [whole, {**tile, "box": [1e308, -1e308, 1e308, 4]}], "regions_image": [whole, {**tile, "image": 2**62}]}.items():
        seed(name, drop=("image_start", "grid"), version="2", regions=list_of if isinstance(list_of, str) else json.dumps(list_of))
    seed("no_attention", drop=("attention.answer", "attention.full", "attention.full.layers"))
    seed("no_metadata", drop=tuple(trace_parts()[0]))
    seed("no_version", drop=("version",))
    seed("other_format_no_version", drop=("version",), format="gguf")
    seed("no_ids", drop=("tokens.id",))
    seed("half_topk", drop=("answer.topk_id",))
    seed("half_full", drop=("attention.full.layers",))
    seed("half_hidden", drop=("hidden.layers",))
    seed("half_lens", drop=("lens.logprob",))
    seed("only_lens", drop=("hidden.states",), **{"lens.text": json.dumps({"0": " a"})})
    seed("lens_text_list", **{"lens.text": "[1]"})
    seed("lens_text_huge_id", **{"lens.text": json.dumps({"9" * 30: "a"})})
    seed("prompt_length_max", prompt_length=str(2**63 - 1))
    seed("prompt_length_min", prompt_length=str(-(2**63)))
    seed("image_start_max", image_start=str(2**63 - 1))
    seed("image_start_min", image_start=str(-(2**63)))
    seed("grid_huge", grid="65536,65536")
    seed("grid_overflow", grid="4294967296,4294967296")
    seed("grid_negative", grid="-1,-2")
    seed("grid_word", grid="a,b")
    seed("span_outside", image_start="4")
    seed("roles_number", roles="[1]")
    seed("roles_unknown", roles='["king"]')
    seed("tokens_deep", tokens=DEEP)
    seed("tokens_surrogate", tokens='["\\ud800"]')
    seed("tokens_object", tokens="{}")


LLAVA = {
    "model_type": "llava", "image_token_index": 32000, "projector_hidden_act": "gelu",
    "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
    "vision_config": {
        "model_type": "clip_vision_model", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 3,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14, "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5, "num_channels": 3,
    },
    "text_config": {
        "model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 2, "vocab_size": 99,
        "rms_norm_eps": 1e-5, "rope_theta": 1e4, "hidden_act": "silu", "eos_token_id": 2,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192},
    },
}  # fmt: skip


def model_config_seeds() -> None:
    def seed(name: str, **changes: object) -> None:
        write("FuzzModelConfig", name, {**LLAVA, **changes})

    def nested(section: str, **changes: object) -> dict:
        return {section: {**LLAVA[section], **changes}}

    seed("good")
    generation = json.dumps({"eos_token_id": [2, 3]})
    write("FuzzModelConfig", "good_generation", json.dumps(LLAVA) + "\0" + generation)
    asks = {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "bad_words_ids": [[4], [5, 6]], "sequence_bias": [[[7, 8], -1.5]],
            "min_length": 4, "min_new_tokens": 2, "forced_bos_token_id": 1, "forced_eos_token_id": [2, 3], "suppress_tokens": [9],
            "begin_suppress_tokens": [10, 11], "exponential_decay_length_penalty": [5, 1.1], "remove_invalid_values": True}
    write("FuzzModelConfig", "generation_all", json.dumps(LLAVA) + "\0" + json.dumps(asks))
    write("FuzzModelConfig", "generation_beams", json.dumps(LLAVA) + "\0" + json.dumps({"num_beams": 4, "bad_words_ids": [[]]}))
    seed("quantized", quantization_config={"quant_method": "awq", "bits": 4})
    seed("rope_by_layer", **nested("text_config", rope_parameters={"full_attention": {"rope_theta": 1e300}}))
    write("FuzzModelConfig", "generation_list", json.dumps(LLAVA) + "\0[]")
    write("FuzzModelConfig", "defaults", {"model_type": "llava"})
    for model in ("mistral", "qwen2", "gpt2"):
        seed(model, **nested("text_config", model_type=model, sliding_window=None))
    seed("zero_heads", **nested("text_config", num_attention_heads=0))
    seed("zero_patch", **nested("vision_config", patch_size=0))
    seed("huge_layers", **nested("text_config", num_hidden_layers=2**63))
    seed("unsigned_max", vision_feature_layer=2**64 - 1)
    seed("layer_beyond", vision_feature_layer=-99)
    seed("layer_list", vision_feature_layer=[-2, -5])
    seed("wide_head", **nested("text_config", hidden_size=3, head_dim=None))
    seed("eos_word", **nested("text_config", eos_token_id="2"))
    seed("section_list", text_config=[])
    seed("rope_unknown", **nested("text_config", rope_scaling={"type": "yarn", "factor": 1e300}))
    write("FuzzModelConfig", "number_1e400", '{"model_type":"llava","image_token_index":1e400}')
    write("FuzzModelConfig", "deep", '{"text_config":' + DEEP * 100)  # enough to overflow a stack


def preprocessor_seeds() -> None:
    def seed(name: str, **fields: object) -> None:
        write("FuzzPreprocessorConfig", name, fields)

    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    whole = {
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": 34},
        "do_center_crop": True, "crop_size": {"height": 28, "width": 31}, "resample": 3, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": mean, "image_std": std,
    }  # fmt: skip
    seed("good", **whole)
    seed("defaults")
    for resample in range(-1, 7):
        seed(f"resample_{resample}", **{**whole, "resample": resample})
    seed("both_edges", **{**whole, "size": {"height": 9, "width": 40}, "do_center_crop": False})
    seed("padded", **{**whole, "size": 7, "image_processor_type": "LlavaImageProcessor", "do_pad": True})
    seed("no_resize", **{**whole, "do_resize": False})
    seed("edge_zero", size=0)
    seed("edge_unsigned_max", size=2**64 - 1)
    seed("edge_fraction", size=1.5)
    seed("std_zero", **{**whole, "image_std": [0, 1, 1]})
    seed("std_tiny", **{**whole, "image_std": 1e-45})
    seed("factor_huge", **{**whole, "rescale_factor": 1e300})
    seed("mean_word", image_mean="grey")
    seed("other_type", image_processor_type="Idefics3ImageProcessor")
    seed("tiles", image_processor_type="LlavaNextImageProcessor", image_grid_pinpoints=[[336, 672], [672, 336]])
    write("FuzzPreprocessorConfig", "list", "[]")


def resize_seeds() -> None:
    pixels = bytes((i * 89) % 256 for i in range(300))
    for resample in range(6):
        write("FuzzResize", f"down_{resample}", bytes([resample, 19, 14, 6, 4, 3, 1]) + pixels)
        write("FuzzResize", f"up_{resample}", bytes([resample, 3, 2, 40, 60, 4, 7]) + pixels)
    write("FuzzResize", "tall", bytes([3, 0, 255, 99, 9, 1, 1]) + pixels)
    write("FuzzResize", "wide", bytes([1, 255, 0, 9, 99, 1, 1]) + pixels)


def picture_seeds() -> None:
    """Hostile ones; good pictures of all kinds are Testing/Data/image/formats."""

    def seed(name: str, *parts: bytes) -> None:
        write("FuzzPicture", name, b"".join(parts))

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    def png(width: int, height: int, bits: int, kind: int, *chunks: bytes) -> bytes:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")

    data = chunk(b"IDAT", zlib.compress(bytes(100)))
    seed("png_bomb", png(32767, 32767, 1, 0, data))
    seed("png_2_31", png(2**31 - 1, 2**31 - 1, 16, 6, data))
    seed("png_no_pixels", png(0, 5, 8, 2, data))
    seed("png_no_palette", png(4, 4, 8, 3, data))
    seed("png_index_beyond", png(3, 3, 8, 3, chunk(b"PLTE", bytes(6)), chunk(b"IDAT", zlib.compress(b"\0\xff\xfe\x02" * 3))))
    seed("png_few_rows", png(50, 50, 8, 2, data))
    seed("png_text_bomb", png(4, 4, 8, 0, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6), 9)), data))

    frame = struct.pack(">BHHB", 8, 65500, 65500, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    seed("jpeg_bomb", b"\xff\xd8\xff\xc2", struct.pack(">H", len(frame) + 2), frame, b"\xff\xd9")
    two = struct.pack(">BHHB", 8, 8, 8, 2) + b"\1\x11\0\2\x11\0"
    seed("jpeg_two_channels", b"\xff\xd8\xff\xc0", struct.pack(">H", len(two) + 2), two, b"\xff\xd9")
    seed("jpeg_only_tables", b"\xff\xd8\xff\xdb\0\x43\0", bytes(range(1, 65)), b"\xff\xd9")

    def bmp(width: int, height: int, bits: int, compression: int, colours: int = 0, rest: bytes = b"") -> bytes:
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, colours, 0)
        return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + header + rest

    seed("bmp_bomb", bmp(32768, 5461, 8, 1))
    seed("bmp_height_min", bmp(1, -(2**31), 24, 0))
    seed("bmp_width_negative", bmp(-1, 1, 24, 0, rest=bytes(8)))
    seed("bmp_colours", bmp(4, 4, 8, 0, 2**32 - 1, bytes(64)))
    seed("bmp_one_mask", bmp(4, 4, 16, 3, rest=struct.pack("<III", 0x7C00, 0, 0x1F) + bytes(64)))
    seed("bmp_run_beyond", bmp(4, 2, 8, 1, 1, b"\0\0\0\0" + b"\xff\0" * 9 + b"\0\2\xff\xff\0\1"))

    def tiff(*entries: tuple[int, int, int, int], data: bytes = b"") -> bytes:
        fields = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
        return b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4) + data

    grey = ((258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1))
    strip = ((273, 4, 1, 8), (278, 4, 1, 9), (279, 4, 1, 9))
    seed("tiff_bomb", tiff((256, 4, 1, 32767), (257, 4, 1, 32767), *grey, *strip))
    seed("tiff_extents", tiff((256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1), *grey, *strip))
    seed("tiff_huge_tile", tiff((256, 4, 1, 9), (257, 4, 1, 9), (322, 4, 1, 2**31), (323, 4, 1, 2**31), (324, 4, 1, 8), (325, 4, 1, 9), *grey))
    seed("tiff_rows_0", tiff((256, 4, 1, 3), (257, 4, 1, 3), (273, 4, 1, 8), (278, 4, 1, 0), (279, 4, 1, 9), *grey))
    seed("tiff_many_channels", tiff((256, 4, 1, 3), (257, 4, 1, 3), (277, 3, 1, 65535), *grey[:3], *strip))
    seed("tiff_itself", b"II*\0" + struct.pack("<I", 8) + struct.pack("<HI", 0, 8))
    seed("tiff_count", tiff((256, 4, 1, 3), (257, 4, 1, 3), (273, 4, 2**31, 8), (279, 4, 2**31, 8), *grey))

    lossy = b"VP8 " + struct.pack("<I", 18) + b"\x30\1\0\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(8)
    seed("webp_bomb", b"RIFF", struct.pack("<I", 4 + len(lossy)), b"WEBP", lossy)
    seed("webp_seven_bytes", b"RIFF\x0c\x5b\5")
    seed("webp_empty", b"RIFF\4\0\0\0WEBP")

    screen = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0)
    seed("gif_bomb", screen, struct.pack("<BHHHHB", 0x2C, 65535, 65535, 65535, 65535, 0), b"\2\1\0\0")
    seed("gif_no_picture", screen, b"\x21\xfe\3abc\0;")
    seed("gif_nothing_to_see", screen, struct.pack("<BHHHHB", 0x2C, 0, 0, 0, 0, 0), b"\2\1\0\0;")
    seed("gif_codes", screen, struct.pack("<BHHHHB", 0x2C, 0, 0, 4, 4, 0x40), b"\x0c\4\xff\xff\xff\xff\0;")

    seed("pnm_bomb", b"P6 99999 99999 255\n")
    seed("pnm_number", b"P2 1 1 255 " + b"9" * 40)
    seed("pnm_largest_0", b"P5 1 1 0\n\0")
    seed("pnm_comment", b"P5 1 1 # to the end")
    seed("unknown", b"\0\0\0\x0cjP  \r\n\x87\n")


def index_seeds() -> None:
    def seed(name: str, shard: object) -> None:
        write("FuzzCheckpointIndex", name, {"metadata": {}, "weight_map": {"lm_head.weight": shard}})

    seed("good", "a.safetensors")
    seed("outside", "../secret.safetensors")
    seed("absolute", "/etc/passwd")
    seed("missing", "b.safetensors")
    seed("zero_byte", "a.safetensors\0.safetensors")
    seed("number", 1)
    seed("empty", "")
    write("FuzzCheckpointIndex", "list", "[]")
    write("FuzzCheckpointIndex", "map_list", {"weight_map": ["a.safetensors"]})


def added(token: str, number: int, **options: bool) -> dict:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": number, "content": token, **flags, **options}


def tokenizer_seeds() -> None:
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    pieces += ["▁", "a", "b", "▁a", "ab", "▁ab"]
    llama = {
        "version": "1.0",
        "added_tokens": [added(t, i) for i, t in enumerate(pieces[:3])] + [added("<image>", 265, lstrip=True)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": {p: i for i, p in enumerate(pieces)}, "merges": ["▁ a", "a b", "▁ ab", "▁a b"]},
    }  # fmt: skip
    letters = [chr(c) for c in range(33, 127)] + ["Ġ", "Ċ", "ab", "Ġab"]
    gpt2 = {
        "version": "1.0",
        "added_tokens": [added("<|end|>", 98)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "behavior": "Isolated", "invert": False, "pattern": {"Regex":
             "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
             "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {p: i for i, p in enumerate(letters)},
                  "merges": [["a", "b"], ["Ġ", "ab"]]},
    }  # fmt: skip

    def seed(name: str, base: dict, text: str = "", **changes: object) -> None:
        content = json.dumps({**base, **changes}, ensure_ascii=False, separators=(",", ":"))
        write("FuzzTokenizer", name, content + ("\0" + text if text else ""))

    def model(base: dict, **changes: object) -> dict:
        return {"model": {**base["model"], **changes}}

    seed("llama", llama)
    seed("llama_text", llama, " ab  <image> é🙂</s>\n\n")
    seed("gpt2", gpt2, "ab 12's\r\n  x")
    seed("metaspace", llama, normalizer=None,
         pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False})  # fmt: skip
    seed("digits", gpt2, pre_tokenizer={"type": "Digits", "individual_digits": True})
    seed("no_model", {})
    seed("wordpiece", llama, **model(llama, type="WordPiece"))
    seed("id_negative", gpt2, **model(gpt2, vocab={"a": -1}, merges=[]))
    seed("id_huge", gpt2, **model(gpt2, vocab={"a": 2**62}, merges=[]))
    seed("id_twice", gpt2, **model(gpt2, vocab={"a": 0, "b": 0}, merges=[]))
    seed("merge_unknown", gpt2, **model(gpt2, merges=["x yz"]))
    seed("merge_triple", gpt2, **model(gpt2, merges=[["a", "b", "c"]]))
    seed("added_empty", gpt2, added_tokens=[added("", 98)])
    seed("added_huge", gpt2, added_tokens=[added("<x>", 2**60)])
    seed("split_greedy", gpt2, "a" * 2000,
         pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a*)*b"}, "behavior": "Isolated", "invert": False})  # fmt: skip
    seed("prepend_many", llama, normalizer={"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"String": "a"}, "content": "aa" * 8}] * 12})  # fmt: skip
    seed("replace_empty", llama, normalizer={"type": "Replace", "pattern": {"String": ""}, "content": "x"})
    write("FuzzTokenizer", "deep", '{"model":' + DEEP)


if __name__ == "__main__":
    safetensors_seeds()
    trace_seeds()
    model_config_seeds()
    preprocessor_seeds()
    resize_seeds()
    picture_seeds()
    index_seeds()
    tokenizer_seeds()
    files = [f for f in CORPUS.rglob("*") if f.is_file()]
    print(len(files), "files,", sum(f.stat().st_size for f in files), "bytes")
