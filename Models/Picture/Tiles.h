// SPDX-License-Identifier: Apache-2.0
/// @file Tiles.h
/// Pictures that a model reads in several grids: the whole of it once, and tiles of a finer
/// version of it (LLaVA-NeXT's "anyres", Liu et al. 2024, and LLaVA-OneVision's "anyres_max_9", Li
/// et al. 2024, as Hugging Face's classes of these names do it). Where tiles are cut, and which
/// image token stands for what.
#ifndef LVLM_PICTURE_TILES_H
#define LVLM_PICTURE_TILES_H

#include "ImageProcessor.h"

#include "Models/Trace/Trace.h"

#include <array>
#include <cstdint>
#include <vector>

namespace lvlm::picture
{

struct PictureSize
{
  std::int64_t width = 0;
  std::int64_t height = 0;
};

/// How a picture is cut: it is resized to `content`, laid in the middle of a black canvas of
/// rows x cols tiles, and cut along them.
struct TilePlan
{
  std::int64_t edge = 0; ///< of a tile, in pixels
  std::int64_t rows = 0, cols = 0;
  std::int64_t left = 0, top = 0; ///< of the content on the canvas
  PictureSize content;

  PictureSize canvas() const { return { this->cols * this->edge, this->rows * this->edge }; }
};

/// Of the possible canvases (height and width, as `image_grid_pinpoints` has them) the one that
/// keeps most of the picture's pixels, and of these the smallest (Hugging Face's
/// select_best_resolution). Throws Error for an empty list or picture, and canvases that are no
/// multiple of the edge or larger than MaximumModelPixels.
TilePlan planTiles(const PictureSize& picture,
  const std::vector<std::array<std::int64_t, 2>>& pinpoints, std::int64_t edge);

/// Where the tokens of a picture come from, and where they lie.
struct ImageTokens
{
  /// Positions count from the picture's first token, boxes are in pixels of SeenPicture::shown.
  std::vector<Region> regions;
  std::int64_t count = 0;
  /// Of a picture in tiles: the patches of the tiles as one large grid, without what lies beside
  /// the picture, each the number of the tower's output, those of one tile after another.
  PatchGrid large;
  std::vector<std::int64_t> sources; ///< [large.count()]
  /// The grid that it is shrunk to, bilinearly; the same where it is not. A newline closes each
  /// row.
  PatchGrid shrunk;
};

/// The tokens of a picture in a sequence.
struct PlacedImage
{
  std::int64_t start = 0; ///< the first of their positions
  ImageTokens tokens;
};

/// What a tower makes of a tile: a grid of patches, behind `leading` tokens that are kept and are
/// no patch (CLS).
struct TileTokens
{
  PatchGrid grid;
  std::int64_t leading = 0;
  std::int64_t perTile() const { return this->leading + this->grid.count(); }
};

/// Of a picture that is read in one piece, `seen` pixels large; `closed` by a newline or not.
ImageTokens tokensOfOne(const TileTokens& tile, const PictureSize& seen, bool closed = false);

/// Of a picture in tiles: first the whole of it (tile 0), then the other tiles' patches
/// (`spatial_unpad`). With `mostTiles` (0: no bound) they are shrunk when there are clearly more of
/// them than so many tiles have. `tile.leading` must be 0.
ImageTokens tokensOfTiles(
  const TilePlan& plan, const TileTokens& tile, const PictureSize& picture, std::int64_t mostTiles);

/// What a model sees of a picture.
struct SeenPicture
{
  RgbImage shown;              ///< the picture, or the canvas that tiles are cut from
  std::vector<RgbImage> tiles; ///< what the tower reads one by one; empty: `shown`
  std::int64_t edge = 0;       ///< pixels of `shown` from a tile to the next
  ImageTokens tokens;
};

/// The canvas, and the tiles: the whole picture resized to one, then those of the canvas row by
/// row. `tokens` stays empty. Throws Error as processImage() does.
SeenPicture cutTiles(
  const RgbImage& image, const TilePlan& plan, const ImageProcessorConfig& config);

} // namespace lvlm::picture

#endif
