# SPDX-License-Identifier: Apache-2.0
"""What a model saw of a picture, and which part of it each of its image tokens stands for."""

from dataclasses import dataclass, field

import numpy as np
import torch


@dataclass
class Grid:
    """Image tokens in rows, one after another in the sequence, over a box of the picture: left, top, right, bottom in pixels."""
    rows: int
    cols: int
    box: tuple[float, float, float, float]
    newline: bool = False  # a token that is no patch ends each row

    @property
    def stride(self) -> int:
        return self.cols + self.newline

    @property
    def count(self) -> int:
        return self.rows * self.stride


@dataclass
class Picture:
    shown: np.ndarray  # u8 [H, W, 3]: the picture, or the canvas that its tiles are cut from
    grids: list[Grid]  # in the order of the sequence
    tiles: np.ndarray | None = None  # u8 [tiles, h, w, 3], the whole picture first
    leading: int = 0  # image tokens before the first grid that are no patch: a class token
    trailing: int = 0  # and behind the last one: newlines of a picture that is too thin for its tiles

    def whole(self, last: bool) -> int:
        """Which of the inputs of the tower is the whole picture: the first, or the `last` one of its tiles."""
        return len(self.tiles) - 1 if last and self.tiles is not None else 0

    @property
    def count(self) -> int:
        return self.leading + sum(grid.count for grid in self.grids) + self.trailing


def whole_box(shown: np.ndarray) -> tuple[float, float, float, float]:
    return 0.0, 0.0, float(shown.shape[1]), float(shown.shape[0])


def pixels_of(values: torch.Tensor, processor) -> np.ndarray:
    """Preprocessed pixels [..., 3, h, w] as the bytes [..., h, w, 3] that they were."""
    values = values.detach().cpu().double()
    if getattr(processor, "do_normalize", True):
        mean, std = (torch.tensor(list(numbers), dtype=torch.float64)[:, None, None] for numbers in (processor.image_mean, processor.image_std))
        values = values * std + mean
    if getattr(processor, "do_rescale", True):
        values = values / processor.rescale_factor
    return values.round().clamp(0, 255).to(torch.uint8).movedim(-3, -1).contiguous().numpy()


def joined(tiles: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """Tiles [rows * cols, h, w, 3] as one picture."""
    _, height, width, _ = tiles.shape
    return np.ascontiguousarray(tiles.reshape(rows, cols, height, width, 3).swapaxes(1, 2).reshape(rows * height, cols * width, 3))


def one_piece(pixels: np.ndarray, rows: int, cols: int, patch: int) -> Picture:
    """A picture that is read at once. What lies beside the last patches is left out."""
    height, width = (edge // patch * patch for edge in pixels.shape[:2])
    shown = np.ascontiguousarray(pixels[:height, :width])
    return Picture(shown, [Grid(rows, cols, whole_box(shown))])


def in_tiles(pixels: np.ndarray, rows: int, cols: int, edge: int, whole_last: bool) -> Picture:
    """A picture that is read as a whole and in rows x cols tiles, each on edge x edge image tokens; `pixels` [1 + rows * cols, h, w, 3]."""
    tiles, whole = (pixels[:-1], pixels[-1:]) if whole_last else (pixels[1:], pixels[:1])
    shown = joined(tiles, rows, cols)
    height, width = pixels.shape[1:3]
    grids = [Grid(edge, edge, (float(c * width), float(r * height), float((c + 1) * width), float((r + 1) * height)))
             for r in range(rows) for c in range(cols)]
    overall = [Grid(edge, edge, whole_box(shown))]
    return Picture(shown, grids + overall if whole_last else overall + grids, np.concatenate([whole, tiles]))


@dataclass
class Placed:
    """Pictures in a sequence."""
    regions: list[dict] = field(default_factory=list)  # as the metadata key `regions` has them
    patches: list[int] = field(default_factory=list)  # all positions that are patches


def place(pictures: list[Picture], positions: list[int], name: str) -> Placed:
    """The grids on the positions that hold image tokens, which they must use up."""
    placed, at = Placed(), 0
    wanted = sum(picture.count for picture in pictures)
    if wanted != len(positions):
        raise ValueError(f"{name}: the prompt has {len(positions)} image tokens, its pictures need {wanted}")
    for number, picture in enumerate(pictures):
        at += picture.leading
        for grid in picture.grids:
            run = positions[at:at + grid.count]
            if run != list(range(run[0], run[0] + grid.count)):
                raise ValueError(f"{name}: the image tokens from position {run[0]} on are not {grid.count} in one piece")
            placed.regions.append({"image": number, "start": run[0], "rows": grid.rows, "cols": grid.cols, "stride": grid.stride,
                                   "box": list(grid.box)})
            placed.patches += [run[0] + row * grid.stride + col for row in range(grid.rows) for col in range(grid.cols)]
            at += grid.count
        at += picture.trailing
    return placed
