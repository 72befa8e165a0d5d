# SPDX-License-Identifier: Apache-2.0
"""What differs between families of models: where their image tokens lie on the picture, and what stands for a picture in a prompt.

A family that is added needs `pictures()`, which tells of every picture what the model saw and its grids of image tokens in the order
of the sequence, and an entry in FAMILIES; attention, answer, roles and the rest are the same for all of them.
"""

import math
import re
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch

from .pictures import Grid, Picture, in_tiles, joined, one_piece, pixels_of, whole_box


@dataclass
class Read:
    """What a processor made of a question."""
    pixels: torch.Tensor | np.ndarray  # as the model takes them
    inputs: dict  # all that the model takes
    text: str  # with one image token for each image position
    image_token: str
    sizes: list[tuple[int, int]]  # width and height of the pictures as they were given


class Family:
    layout: str | None = None  # of the prompt, where the checkpoint has no template
    answer_type = 0  # what `token_type_ids` say of the answer
    whole_last = False  # of a picture in tiles

    def placeholder(self, processor, image_token: str) -> str:
        """What a prompt has in a picture's place."""
        return image_token

    def together(self, images: list) -> list:
        """The pictures of a question as the image processor takes them."""
        return images

    def pictures(self, config, processor, read: Read) -> list[Picture]:
        raise NotImplementedError


def square_edge(count: int, what: str) -> int:
    edge = math.isqrt(count)
    if edge * edge != count:
        raise ValueError(f"{what}: {count} image tokens are no square")
    return edge


class PaliGemma(Family):
    """A picture is one square of patches. All of the prompt sees all of it (prefix-LM): matrices are not causal there."""
    layout = "{image}{prompt}"
    answer_type = 1

    def pictures(self, config, processor, read):
        pixels = pixels_of(read.pixels, processor.image_processor)
        edge = square_edge(read.text.count(read.image_token) // len(pixels), config.model_type)
        return [one_piece(one, edge, edge, config.vision_config.patch_size) for one in pixels]


class Gemma3(Family):
    """Patches are averaged onto a square; image tokens of one picture see each other in both directions."""

    def placeholder(self, processor, image_token):
        return processor.boi_token

    def pictures(self, config, processor, read):
        pixels = pixels_of(read.pixels, processor.image_processor)
        edge = square_edge(config.mm_tokens_per_image, config.model_type)
        if len(pixels) != len(read.sizes):  # transformers does so only where it is called with do_pan_and_scan
            raise ValueError("gemma3: pan and scan is not supported")
        return [one_piece(one, edge, edge, config.vision_config.patch_size) for one in pixels]


class Idefics3(Family):
    """Idefics3 and SmolVLM: tiles, each named by its row and column in the prompt, then the whole picture."""
    whole_last = True

    def pictures(self, config, processor, read):
        pixels = pixels_of(read.pixels, processor.image_processor)[0]
        edge = square_edge(processor.image_seq_len, config.model_type)
        found, at = [], 0
        *heads, _ = read.text.split("<global-img>")
        for head in heads:
            places = [tuple(map(int, place)) for place in re.findall(r"<row_(\d+)_col_(\d+)>", head)]
            count = len(places) + 1
            part, at = pixels[at:at + count], at + count
            found.append(in_tiles(part, *map(max, zip(*places)), edge, self.whole_last) if places else
                         one_piece(part[0], edge, edge, config.vision_config.patch_size))
        return found


class InternVL(Family):
    """Tiles as many and as wide as suits the picture, then the whole of it."""
    whole_last = True

    def pictures(self, config, processor, read):
        from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas
        images, kept = processor.image_processor, processor.image_seq_length
        edge = square_edge(kept, config.model_type)
        runs = [len(run) // len(read.image_token) for run in re.findall(f"(?:{re.escape(read.image_token)})+", read.text)]
        pixels = pixels_of(read.pixels, images)
        tile, found = pixels.shape[1:3], []
        for size, begin, count in zip(read.sizes, accumulate(runs, initial=0), runs):
            part = pixels[begin // kept:(begin + count) // kept]
            if len(part) == 1:
                found.append(one_piece(part[0], edge, edge, config.vision_config.patch_size[0]))
            else:
                cols, rows = get_optimal_tiled_canvas((size[1], size[0]), tuple(tile), images.min_patches, images.max_patches)
                found.append(in_tiles(part, rows, cols, edge, self.whole_last))
        return found


class QwenVL(Family):
    """Qwen2-VL, Qwen2.5-VL, Qwen3-VL: a picture keeps its shape; merge x merge patches are one image token."""

    def pictures(self, config, processor, read):
        images = processor.image_processor
        patch, merge, frames = images.patch_size, images.merge_size, images.temporal_patch_size
        found, at = [], 0
        for t, rows, cols in read.inputs["image_grid_thw"].tolist():
            part = read.pixels[at:at + t * rows * cols]
            at += t * rows * cols
            blocks = part.reshape(rows // merge, cols // merge, merge, merge, 3, frames, patch, patch)[:, :, :, :, :, 0]
            values = blocks.permute(4, 0, 2, 5, 1, 3, 6).reshape(3, rows * patch, cols * patch)
            shown = pixels_of(values, images)
            found.append(Picture(shown, [Grid(rows // merge, cols // merge, whole_box(shown))]))
        return found


class Llava(Family):
    """One square of patches a picture, with the tower's class token where that is kept."""

    def keeps_class_token(self, config) -> bool:
        return has_class_token(config) and getattr(config, "vision_feature_select_strategy", "default") == "full"

    def pictures(self, config, processor, read):
        vision = config.vision_config
        edge = vision.image_size // vision.patch_size
        pixels = pixels_of(read.pixels, processor.image_processor)
        if pixels.shape[1:3] != (vision.image_size, vision.image_size):
            raise ValueError(f"preprocessing gives pictures of {pixels.shape[2]} x {pixels.shape[1]} pixels, the vision tower takes "
                             f"{vision.image_size} x {vision.image_size}")
        found = [one_piece(one, edge, edge, vision.patch_size) for one in pixels]
        for picture in found:
            picture.leading = int(self.keeps_class_token(config))
        return found


class LlavaNext(Llava):
    """The whole picture, then tiles of a finer version as one large grid without what lies beside the picture; a newline ends its rows."""

    def keeps_class_token(self, config):
        if super().keeps_class_token(config):
            raise ValueError(f"{config.model_type}: a class token among the patches of tiles is not supported")
        return False

    def shrunk(self, config, rows: int, cols: int) -> tuple[int, int]:
        return rows, cols

    def pictures(self, config, processor, read):
        from transformers.image_processing_utils import select_best_resolution
        self.keeps_class_token(config)
        found = []
        for (width, height), tiles in zip(read.sizes, read.pixels):
            canvas = select_best_resolution((height, width), config.image_grid_pinpoints)
            rows, cols = (side // config.vision_config.image_size for side in canvas)
            pixels = pixels_of(tiles[:1 + rows * cols], processor.image_processor)
            found.append(self._picture(config, pixels, rows, cols, (width, height)))
        return found

    def _picture(self, config, pixels, rows, cols, size) -> Picture:
        vision = config.vision_config
        edge, shown = vision.image_size // vision.patch_size, joined(pixels[1:], rows, cols)
        step, seen = vision.image_size / edge, edge * vision.patch_size
        tiles = np.ascontiguousarray(pixels[:, :seen, :seen])  # what lies under patches
        top, left, bottom, right = kept_part(rows * edge, cols * edge, size)
        fine = Grid(*self.shrunk(config, bottom - top, right - left), (left * step, top * step, right * step, bottom * step), newline=True)
        whole = Grid(edge, edge, content_box(size, (shown.shape[1], shown.shape[0])))
        if fine.rows * fine.cols == 0:
            return Picture(shown, [whole], tiles, trailing=fine.count)
        return Picture(shown, [whole, fine], tiles)


class LlavaOnevision(LlavaNext):
    """As LLaVA-NeXT; more patches than `anyres_max_9` allows are shrunk to a smaller grid. Several pictures are each read at once, and a
    newline ends each, as transformers' processor does it since it tells `batch_num_images`."""

    def together(self, images):
        return [images] if len(images) > 1 else images

    def pictures(self, config, processor, read):
        if len(read.sizes) == 1:
            return super().pictures(config, processor, read)
        if "batch_num_images" not in read.inputs:
            raise ValueError("llava_onevision: several pictures a question need a newer transformers, whose processor tells batch_num_images")
        vision = config.vision_config
        edge = vision.image_size // vision.patch_size
        found = [one_piece(one, edge, edge, vision.patch_size) for one in pixels_of(read.pixels[:, 0], processor.image_processor)]
        for picture in found:
            picture.trailing = 1
        return found

    def shrunk(self, config, rows, cols):
        edge = config.vision_config.image_size // config.vision_config.patch_size
        most = int(config.vision_aspect_ratio.removeprefix("anyres_max_"))
        ratio = math.sqrt(rows * cols / (most * edge**2))
        return (int(rows // ratio), int(cols // ratio)) if ratio > 1.1 else (rows, cols)


def has_class_token(config) -> bool:
    """Of a LLaVA's tower."""
    return config.vision_config.model_type == "clip_vision_model"


def kept_part(rows: int, cols: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """First row, first column, and one past the last ones of what transformers keeps of a large grid, which it cuts alike on both sides."""
    from transformers.models.llava_next.modeling_llava_next import unpad_image
    kept = unpad_image(torch.zeros(1, rows, cols), (size[1], size[0])).shape[1:]
    top, left = (rows - kept[0]) // 2, (cols - kept[1]) // 2
    return top, left, rows - top, cols - left


def content_box(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[float, float, float, float]:
    """Where the resized picture lies on its canvas, both width and height."""
    scale = [have / want for have, want in zip(canvas, size)]
    across = scale[0] < scale[1]
    width = canvas[0] if across else min(math.ceil(size[0] * scale[1]), canvas[0])
    height = min(math.ceil(size[1] * scale[0]), canvas[1]) if across else canvas[1]
    left, top = (canvas[0] - width) // 2, (canvas[1] - height) // 2
    return float(left), float(top), float(left + width), float(top + height)


FAMILIES: dict[str, Family] = {
    "llava": Llava(), "vipllava": Llava(), "llava_next": LlavaNext(), "llava_onevision": LlavaOnevision(),
    "qwen2_vl": QwenVL(), "qwen2_5_vl": QwenVL(), "qwen3_vl": QwenVL(), "internvl": InternVL(), "gemma3": Gemma3(), "paligemma": PaliGemma(),
    "idefics3": Idefics3(), "smolvlm": Idefics3(),
}

# Families whose attention has another form than a trace's.
OTHERS = {"mllama": "Llama 3.2 Vision looks at its picture through cross-attention, so that the picture has no positions in the sequence "
          "to which a trace could give attention"}


def family_of(model_type: str, name: str) -> Family:
    if model_type in OTHERS:
        raise ValueError(f"{name}: model_type {model_type!r} cannot be recorded: {OTHERS[model_type]}")
    if model_type not in FAMILIES:
        raise ValueError(f"{name}: model_type {model_type!r} is not supported; these are: {', '.join(FAMILIES)}")
    return FAMILIES[model_type]
