// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMPictureReader
 * @brief   reads a picture file (PNG, JPEG, TIFF, WebP, GIF, BMP, PNM) as models are shown it
 *
 * 8-bit RGB as the point data array `picture`, upright: VTK's y axis points up, so the picture's
 * last row comes first. Palettes are looked up, grey is repeated, alpha dropped, of an animation
 * the first frame is taken (see Models/Picture/Image.h). The content decides on the format,
 * whatever the file's name. Unlike VTK's own readers it refuses damaged files, and shows TIFF
 * pictures the right way up.
 *
 * In a parallel run a rank reads the file when it is asked for a part of it: the ranks need not
 * meet, as only the first one asks for the picture of a question.
 */
#ifndef vtkLVLMPictureReader_h
#define vtkLVLMPictureReader_h

#include "lvlmReadersPictureModule.h"

#include "vtkImageAlgorithm.h"
#include "vtkNew.h"

#include <string>

class LVLMREADERSPICTURE_EXPORT vtkLVLMPictureReader : public vtkImageAlgorithm
{
public:
  static vtkLVLMPictureReader* New();
  vtkTypeMacro(vtkLVLMPictureReader, vtkImageAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** The file to read. */
  vtkSetFilePathMacro(FileName);
  vtkGetFilePathMacro(FileName);
  ///@}

  ///@{
  /** A picture of more pixels is an error, before anything of its size is allocated: a small file
   * may ask for gigabytes. Default: 178,956,970, as PIL; it warns from half of that on. */
  vtkSetClampMacro(MaximumPixels, int, 1, 1 << 30);
  vtkGetMacro(MaximumPixels, int);
  ///@}

  /** 1 when the file is no longer the one that was read: overwritten, replaced or gone. The picture
   * stays the one that was read, so that what was said about it stays true, until Modified(). */
  int GetOutdated();

protected:
  vtkLVLMPictureReader();
  ~vtkLVLMPictureReader() override;

  int RequestInformation(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestData(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

  char* FileName = nullptr;
  int MaximumPixels;

private:
  vtkLVLMPictureReader(const vtkLVLMPictureReader&) = delete;
  void operator=(const vtkLVLMPictureReader&) = delete;

  /// Reads the file unless that is done. Throws lvlm::Error.
  void Open();

  vtkNew<vtkImageData> Picture;
  vtkTimeStamp OpenTime;
  std::string OpenStamp; ///< of the file that was read
};

#endif
