// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMSeenPicture
 * @brief   what a model sees of a picture, before it is asked anything
 *
 * Output 0: the picture as it is scaled, cut or padded for the model, or the canvas that tiles are
 * cut from. Its field data says what of the picture that is: `seen`, a sentence; `seen_part`, left,
 * right, bottom and top in pixels of the picture, from its lower left; `picture_size`, width and
 * height. Output 1: the picture itself, small enough to be sent to a client.
 */
#ifndef vtkLVLMSeenPicture_h
#define vtkLVLMSeenPicture_h

#include "vtkLVLMPictureFilter.h"

#include <string>

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMSeenPicture : public vtkLVLMPictureFilter
{
public:
  static vtkLVLMSeenPicture* New();
  vtkTypeMacro(vtkLVLMSeenPicture, vtkLVLMPictureFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** Folder of a Hugging Face LLaVA checkpoint. Empty (default): the embedded model. */
  vtkSetStdStringFromCharMacro(ModelDirectory);
  vtkGetCharFromStdStringMacro(ModelDirectory);
  ///@}

  ///@{
  /** As of vtkLLaVAInference: Default, Crop, Pad, Resize. Default 0. */
  vtkSetClampMacro(ImageMode, int, 0, 3);
  vtkGetMacro(ImageMode, int);
  ///@}

  ///@{
  /** Most pixels of the longer edge of output 1. Default 512. */
  vtkSetClampMacro(LongestEdge, int, 1, 1 << 15);
  vtkGetMacro(LongestEdge, int);
  ///@}

protected:
  vtkLVLMSeenPicture();
  ~vtkLVLMSeenPicture() override = default;

  std::vector<Size> Announce(const Size& picture) override;
  int RequestData(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

private:
  vtkLVLMSeenPicture(const vtkLVLMSeenPicture&) = delete;
  void operator=(const vtkLVLMSeenPicture&) = delete;

  Size SmallSize(const Size& picture) const;

  std::string ModelDirectory;
  int ImageMode = 0;
  int LongestEdge = 512;
};

#endif
