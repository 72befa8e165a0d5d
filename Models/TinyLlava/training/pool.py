"""A pool of training scenes on disk: images, per-patch labels and object lists, drawn once by a few processes.

    python pool.py --out /tmp/tinyllava/pool --scenes 32000 --seed 1
"""
from __future__ import annotations

import argparse
import multiprocessing
import pickle
from pathlib import Path

import numpy as np

import scenes

PATCH = 14
GRID = scenes.SIZE // PATCH
CELL_PATCHES = scenes.CELL // PATCH
IGNORE = -100
LABELS = ("shape", "color", "order", "cell")  # order: the object's number in reading order
CLASSES = (len(scenes.SHAPES) + 1, len(scenes.COLORS) + 1, scenes.MAX_OBJECTS + 1, scenes.CELLS ** 2 + 1)


def patch_labels(scene: scenes.Scene) -> np.ndarray:
    """int8 [GRID * GRID, 4]: 0 is background, IGNORE a patch that an object only grazes."""
    labels = np.zeros((GRID, GRID, len(LABELS)), dtype=np.int8)
    for order, item in enumerate(scene.objects):
        covered = item.alpha.reshape(CELL_PATCHES, PATCH, CELL_PATCHES, PATCH).mean(axis=(1, 3))
        row, col = item.window[1] // PATCH, item.window[0] // PATCH
        view = labels[row:row + CELL_PATCHES, col:col + CELL_PATCHES]
        view[covered > 0.03] = IGNORE
        view[covered > 0.20] = (1 + scenes.SHAPES.index(item.shape), 1 + list(scenes.COLORS).index(item.color), 1 + order,
                                1 + item.cell)
    return labels.reshape(GRID * GRID, len(LABELS))


def draw_shard(job: tuple[Path, int, int, int]) -> None:
    out, shard, count, seed = job
    rng = np.random.default_rng((seed, shard))
    images = np.empty((count, scenes.SIZE, scenes.SIZE, 3), dtype=np.uint8)
    labels = np.empty((count, GRID * GRID, len(LABELS)), dtype=np.int8)
    objects = []
    for i in range(count):
        scene = scenes.draw_scene(rng)
        images[i], labels[i] = scene.image, patch_labels(scene)
        for item in scene.objects:
            item.alpha = None  # large, and never needed again
        objects.append(scene.objects)
    (out / f"{shard:03d}.pickle").write_bytes(pickle.dumps(objects))
    np.save(out / f"{shard:03d}.labels.npy", labels)
    np.save(out / f"{shard:03d}.part.npy", images)
    (out / f"{shard:03d}.part.npy").rename(out / f"{shard:03d}.images.npy")  # complete once it has this name


def load(out: Path) -> tuple[np.ndarray, np.ndarray, list[list[scenes.SceneObject]]]:
    """All finished shards: images u8 [N, H, W, 3], labels i8 [N, patches, 4], objects."""
    done = sorted(out.glob("*.images.npy"))
    images = np.concatenate([np.load(p) for p in done])
    labels = np.concatenate([np.load(str(p).replace("images", "labels")) for p in done])
    objects = sum((pickle.loads(Path(str(p).replace("images.npy", "pickle")).read_bytes()) for p in done), [])
    return images, labels, objects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=32000)
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
