// SPDX-License-Identifier: Apache-2.0
/// @file ExpectedShape.h
/// What a model's configuration says of a trace that does not exist yet.
#ifndef LVLM_INFERENCE_EXPECTEDSHAPE_H
#define LVLM_INFERENCE_EXPECTEDSHAPE_H

#include "Models/Picture/Tiles.h"
#include "Readers/TraceShape.h"

#include <string>
#include <vector>

namespace lvlm
{

/// Enough for the domains downstream. `given`: the pictures, at least one; a model that reads tiles
/// says nothing of its grid while one of them is empty. `hidden`: the layers whose states will be
/// captured, none: all of them. Throws Error for a folder that is no model.
TraceShape expectedShape(const std::string& directory,
  const std::vector<picture::PictureSize>& given, bool capturesHidden = false,
  const std::vector<int>& hidden = {});

} // namespace lvlm

#endif
