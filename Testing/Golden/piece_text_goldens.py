#!/usr/bin/env python3
"""What each piece of a tokenized text says, found on the bytes, without any decoder.

    python piece_text_goldens.py ../Data/tokenizer

For the tokenizers of tokenizer_goldens.py (byte fallback, and byte-level), texts of texts.json: "ids" as Hugging Face's tokenizers gives them and
"texts": the characters whose first byte is in the piece. Joined they are the whole decoded text, which is checked.
"""

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer

LINES = ["What color is the ⭐ — ’red’?", "café 你好?", "👩‍👩‍👧 ẞ\n\n", "a\t\u00a0b <image> 好</s>", "नमस्ते दुनिया", " ".join("⭐好é"[i % 3] * (i % 5) for i in range(90))]


def byte_level() -> dict[str, int]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others follow from U+0100."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


def bytes_of(piece: str, added: bool, level: bool, letters: dict[str, int]) -> bytes:
    if added:
        return piece.encode()
    if level:
        return bytes(letters[letter] for letter in piece)
    if len(piece) == 6 and piece.startswith("<0x"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace("▁", " ").encode()


def texts_of(tokenizer: Tokenizer, ids: list[int], level: bool, letters: dict[str, int]) -> list[str]:
    added = tokenizer.get_added_tokens_decoder()
    parts = [bytes_of(tokenizer.id_to_token(i), i in added, level, letters) for i in ids]
    owner = [at for at, part in enumerate(parts) for _ in part]
    texts, place = [""] * len(ids), 0
    for character in b"".join(parts).decode():
        texts[owner[place]] += character
        place += len(character.encode())
    if not level and texts and parts[0].startswith(b" "):  # a text's first space is not part of it
        texts[0] = texts[0][1:]
    return texts


def main() -> None:
    folder, letters, result = Path(sys.argv[1]), byte_level(), {}
    drawn = json.loads((folder / "texts.json").read_text(encoding="utf-8"))[150:1500:50]
    for name, level in (("mistral", False), ("smollm2", True)):
        tokenizer = Tokenizer.from_file(str(folder / f"{name}.tokenizer.json"))
        cases = result[name] = []
        for text in LINES + drawn:
            ids = tokenizer.encode(text).ids
            if "\ufffd" in tokenizer.decode(ids, skip_special_tokens=False):  # a byte that the vocabulary lacks
                continue
            texts = texts_of(tokenizer, ids, level, letters)
            assert "".join(texts) == tokenizer.decode(ids, skip_special_tokens=False), text
            cases.append({"ids": ids, "texts": texts})
        print(name, len(cases), "texts,", sum("" in case["texts"] for case in cases), "with a character over several pieces")
    (folder / "piece_texts.json").write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")).replace('{"ids"', '\n{"ids"') + "\n",
                                             encoding="utf-8")


if __name__ == "__main__":
    main()
