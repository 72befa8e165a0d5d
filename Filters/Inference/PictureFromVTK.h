// SPDX-License-Identifier: Apache-2.0
/// @file PictureFromVTK.h
/// From any picture that ParaView reads to the 8-bit RGB that a model is shown.
#ifndef LVLM_INFERENCE_PICTUREFROMVTK_H
#define LVLM_INFERENCE_PICTUREFROMVTK_H

#include "Models/Picture/Image.h"
#include "Models/Picture/Tiles.h"

class vtkDataArray;
class vtkImageData;
class vtkInformation;

namespace lvlm
{

/// Turns a flat image (one slice in z) upside down, since VTK's y points up, and into RGB as PIL
/// does: grey is repeated, alpha dropped. 8-bit values stay; unsigned 16-bit ones are scaled from
/// [0, 65535]; floating ones from [0, 1], or taken as they are when they reach beyond 1 but not
/// beyond 255. `values` holds the colours of the points, or of the cells. Throws Error that names
/// what does not fit.
picture::RgbImage pictureFromVTK(vtkImageData* image, vtkDataArray* values);

/// The chosen array, or the active one, or the first. Throws Error where there is none.
vtkDataArray* colorsOf(vtkDataArray* chosen, vtkImageData* image);

/// What a source has announced, without having read it; empty if it has announced nothing.
picture::PictureSize announcedSize(vtkInformation* info);

/// The other way: an image in pixel coordinates, with the point array `picture`.
void pictureToVTK(const picture::RgbImage& picture, vtkImageData* image);

} // namespace lvlm

#endif
