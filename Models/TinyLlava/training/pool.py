"""A pool of training scenes on disk: images, per-patch labels and object lists, drawn once by a few processes.

    python pool.py --out /tmp/tinyllava/pool --scenes 80000 --seed 1

A sixth are scenes of the old kind, a fifth shows nothing known; the rest are drawings as people make them.
"""
from __future__ import annotations

import argparse
import multiprocessing
import pickle
from pathlib import Path

import numpy as np

import drawings
import oddities
import scenes

PATCH = 14
GRID = scenes.SIZE // PATCH
CELL_PATCHES = scenes.CELL // PATCH
IGNORE = -100
LABELS = ("shape", "color", "order", "cell")  # order: the object's number in reading order
UNKNOWN = len(scenes.SHAPES) + 1  # shape label of something without a name; its other labels are left open
CLASSES = (len(scenes.SHAPES) + 2, len(scenes.COLORS) + 1, scenes.MAX_OBJECTS + 1, scenes.CELLS ** 2 + 1)
SHARES = dict(old=0.17, drawing=0.61, odd=0.22)


def patch_labels(scene: scenes.Scene) -> np.ndarray:
    """int8 [GRID * GRID, 4]: 0 is background, IGNORE a patch that an object only grazes, or the empty inside of an outline."""
    labels = np.zeros((GRID, GRID, len(LABELS)), dtype=np.int8)
    unknown = getattr(scene, "unknown", None)
    if unknown is not None and unknown.any():
        covered = unknown.reshape(GRID, PATCH, GRID, PATCH).mean(axis=(1, 3))
        labels[covered > 0.03] = IGNORE
        labels[covered > min(0.2, 0.5 * covered.max()), 0] = UNKNOWN
    for order, item in enumerate(scene.objects):
        whole = np.zeros((scenes.SIZE, scenes.SIZE), dtype=np.float32)
        (x, y), (height, width) = item.window, item.alpha.shape
        whole[y:y + height, x:x + width] = item.alpha
        covered = whole.reshape(GRID, PATCH, GRID, PATCH).mean(axis=(1, 3))
        if item.hollow:
            rows, cols = np.nonzero(covered > 0.01)
            inside = labels[rows.min():rows.max() + 1, cols.min():cols.max() + 1]
            inside[inside[..., 0] == 0] = IGNORE
        labels[covered > 0.03] = IGNORE
        enough = min(0.2, 0.5 * covered.max())  # a thin line or a tiny thing covers no patch by a fifth
        labels[covered > enough] = (1 + scenes.SHAPES.index(item.shape), 1 + list(scenes.COLORS).index(item.color), 1 + order,
                                    1 + item.cell)
    return labels.reshape(GRID * GRID, len(LABELS))


def draw_one(rng: np.random.Generator) -> scenes.Scene:
    kind = rng.choice(list(SHARES), p=list(SHARES.values()))
    return {"old": scenes.draw_scene, "drawing": drawings.draw, "odd": oddities.draw}[kind](rng)


def draw_shard(job: tuple[Path, int, int, int]) -> None:
    out, shard, count, seed = job
    rng = np.random.default_rng((seed, shard))
    images = np.empty((count, scenes.SIZE, scenes.SIZE, 3), dtype=np.uint8)
    labels = np.empty((count, GRID * GRID, len(LABELS)), dtype=np.int8)
    kept = []
    for i in range(count):
        scene = draw_one(rng)
        images[i], labels[i] = scene.image, patch_labels(scene)
        scene.image = scene.unknown = None
        for item in scene.objects:
            item.alpha = None  # large, and never needed again
        kept.append(scene)
    (out / f"{shard:03d}.pickle").write_bytes(pickle.dumps(kept))
    np.save(out / f"{shard:03d}.labels.npy", labels)
    np.save(out / f"{shard:03d}.part.npy", images)
    (out / f"{shard:03d}.part.npy").rename(out / f"{shard:03d}.images.npy")  # complete once it has this name


class Images:
    """The pool's pictures, memory-mapped."""

    def __init__(self, files: list[Path]):
        self.shards = [np.load(f, mmap_mode="r") for f in files]
        self.starts = np.cumsum([0] + [len(s) for s in self.shards])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, pick: np.ndarray) -> np.ndarray:
        shard = np.searchsorted(self.starts, pick, side="right") - 1
        return np.stack([self.shards[s][i - self.starts[s]] for s, i in zip(shard, pick)])


def load(out: Path) -> tuple[Images, np.ndarray, list[scenes.Scene]]:
    """All finished shards: images u8 [N, H, W, 3], labels i8 [N, patches, 4], scenes without their pictures and masks."""
    done = sorted(out.glob("*.images.npy"))
    labels = np.concatenate([np.load(str(p).replace("images", "labels")) for p in done])
    kept = sum((pickle.loads(Path(str(p).replace("images.npy", "pickle")).read_bytes()) for p in done), [])
    return Images(done), labels, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=80000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    size = 1000
    jobs = [(args.out, shard, size, args.seed) for shard in range(args.scenes // size)
            if not (args.out / f"{shard:03d}.images.npy").exists()]
    with multiprocessing.Pool(args.processes) as pool:
        pool.map(draw_shard, jobs, chunksize=1)


if __name__ == "__main__":
    main()
