// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMEditPicture
 * @brief   a picture with parts covered, and cropped, to be asked about again
 *
 * What if this were not there? Edits are lines of text (Models/Picture/PictureEdit.h), done one
 * after the other; places are pixels that count from 0 at the lower left. Without edits it is the
 * picture as it was.
 */
#ifndef vtkLVLMEditPicture_h
#define vtkLVLMEditPicture_h

#include "vtkLVLMPictureFilter.h"

#include <memory>

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMEditPicture : public vtkLVLMPictureFilter
{
public:
  static vtkLVLMEditPicture* New();
  vtkTypeMacro(vtkLVLMEditPicture, vtkLVLMPictureFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** What is done: "rectangle X0 Y0 X1 Y1 [FILL]", "brush RADIUS X Y [X Y ...] [FILL]", "crop X0 Y0
   * X1 Y1"; FILL is mean, surrounding, blur, noise, black or white. An empty line does nothing. */
  void AddEdit(const char* edit);
  void RemoveAllEdits();
  ///@}

protected:
  vtkLVLMEditPicture();
  ~vtkLVLMEditPicture() override;

  std::vector<Size> Announce(const Size& picture) override;
  int RequestData(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

private:
  vtkLVLMEditPicture(const vtkLVLMEditPicture&) = delete;
  void operator=(const vtkLVLMEditPicture&) = delete;

  struct Internals;
  std::unique_ptr<Internals> Self;
};

#endif
