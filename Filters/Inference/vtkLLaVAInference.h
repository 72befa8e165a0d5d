// SPDX-License-Identifier: Apache-2.0
/**
 * @class vtkLLaVAInference
 * @brief asks a LLaVA model about a picture and gives the trace of its answer
 *
 * Input 0: a flat vtkImageData with 1 to 4 colour components; input 1 (optional, repeatable):
 * further pictures of the same question, in their order, whose colours are their active arrays.
 * Output: a trace (see Readers/vtkLVLMTrace.h), whose attention blocks share the memory that
 * inference captured into. Answer tokens are time steps once the answer is known.
 *
 * The model runs when a picture or a property that decides the answer has changed, not when time
 * or a downstream filter asks again. Models are shared by all filters of the process that use the
 * same folder, precision and device.
 *
 * On several ranks each maps and runs a contiguous part of the layers; the pictures are the first
 * one's. Every rank gives the trace with the attention of its own layers. What fails on one rank is
 * an error on all.
 */
#ifndef vtkLLaVAInference_h
#define vtkLLaVAInference_h

#include "lvlmFiltersInferenceModule.h"

#include "vtkMultiBlockDataSetAlgorithm.h"

#include <memory>
#include <string>
#include <vector>

class vtkAlgorithmOutput;
class vtkDataArray;
class vtkInformation;

class vtkMultiProcessController;

namespace lvlm
{
class AlgorithmTeam;
namespace picture
{
struct RgbImage;
}
}

class LVLMFILTERSINFERENCE_EXPORT vtkLLaVAInference : public vtkMultiBlockDataSetAlgorithm
{
public:
  static vtkLLaVAInference* New();
  vtkTypeMacro(vtkLLaVAInference, vtkMultiBlockDataSetAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum ImageModes
  {
    DEFAULT = 0,
    CROP = 1,
    PAD = 2,
    RESIZE = 3
  };

  enum Precisions
  {
    FLOAT32 = 0,
    BFLOAT16 = 1,
    FLOAT64 = 2
  };

  ///@{
  /** Further pictures of the question, in the order in which they are added. */
  void AddPictureConnection(vtkAlgorithmOutput* output);
  void RemoveAllPictureConnections();
  ///@}

  ///@{
  /** Folder of a Hugging Face LLaVA checkpoint. Empty (default): the embedded model. */
  vtkSetStdStringFromCharMacro(ModelDirectory);
  vtkGetCharFromStdStringMacro(ModelDirectory);
  ///@}

  ///@{
  /** The question. Default "Describe the image." */
  vtkSetStdStringFromCharMacro(Prompt);
  vtkGetCharFromStdStringMacro(Prompt);
  ///@}

  ///@{
  /** Text that precedes the conversation. Default: none. */
  vtkSetStdStringFromCharMacro(SystemPrompt);
  vtkGetCharFromStdStringMacro(SystemPrompt);
  ///@}

  ///@{
  /** Name of a chat template, or free-form text with {image} and {prompt}. Empty or "Automatic"
   * (default): chosen from the checkpoint. */
  vtkSetStdStringFromCharMacro(ChatTemplate);
  vtkGetCharFromStdStringMacro(ChatTemplate);
  ///@}

  ///@{
  /** How the picture becomes the model's square input. Default DEFAULT: as preprocessor_config.json
   * says. */
  vtkSetClampMacro(ImageMode, int, DEFAULT, RESIZE);
  vtkGetMacro(ImageMode, int);
  ///@}

  ///@{
  /** Longest answer in tokens, at least 1. Default 64. */
  vtkSetMacro(MaxNewTokens, int);
  vtkGetMacro(MaxNewTokens, int);
  ///@}

  ///@{
  /** 0 (default) takes the most probable token; above, tokens are drawn. */
  vtkSetMacro(Temperature, double);
  vtkGetMacro(Temperature, double);
  ///@}

  ///@{
  /** Draw from the smallest set of tokens whose probability reaches this, in (0, 1]. Default 1. */
  vtkSetMacro(TopP, double);
  vtkGetMacro(TopP, double);
  ///@}

  ///@{
  /** Seed of the draws. Default 0. */
  vtkSetMacro(Seed, int);
  vtkGetMacro(Seed, int);
  ///@}

  ///@{
  /** A picture of more pixels is an error, before its reader is asked for them: a small file may
   * ask for gigabytes. Default: 178956970, as Python's PIL; from half of that on a warning. */
  vtkSetClampMacro(MaximumPixels, int, 1, 1 << 30);
  vtkGetMacro(MaximumPixels, int);
  ///@}

  ///@{
  /** Best alternatives kept for each answer token. Default 5. */
  vtkSetClampMacro(Alternatives, int, 1, 1000);
  vtkGetMacro(Alternatives, int);
  ///@}

  ///@{
  /** Capture complete causal matrices of CaptureFullLayers. Default on. */
  vtkSetMacro(CaptureFull, bool);
  vtkGetMacro(CaptureFull, bool);
  vtkBooleanMacro(CaptureFull, bool);
  ///@}

  ///@{
  /** Layers of CaptureFull: negative ones count from the end, an empty list means all. Default: the
   * last. */
  void AddCaptureFullLayer(int layer);
  void RemoveAllCaptureFullLayers();
  ///@}

  ///@{
  /** Capture the attention of the vision tower. Default off. */
  vtkSetMacro(CaptureVision, bool);
  vtkGetMacro(CaptureVision, bool);
  vtkBooleanMacro(CaptureVision, bool);
  ///@}

  ///@{
  /** Keep the hidden states of CaptureHiddenLayers. Default off. */
  vtkSetMacro(CaptureHidden, bool);
  vtkGetMacro(CaptureHidden, bool);
  vtkBooleanMacro(CaptureHidden, bool);
  ///@}

  ///@{
  /** Record which words the positions say after CaptureHiddenLayers, the `Alternatives` best ones,
   * so that the logit lens needs no model. Default off. */
  vtkSetMacro(CaptureLens, bool);
  vtkGetMacro(CaptureLens, bool);
  vtkBooleanMacro(CaptureLens, bool);
  ///@}

  ///@{
  /** Layers of CaptureHidden and CaptureLens: 0 are the embeddings, l is what leaves the l-th
   * layer, negative ones count from the last, which is before the final norm. An empty list
   * (default) means all. */
  void AddCaptureHiddenLayer(int layer);
  void RemoveAllCaptureHiddenLayers();
  ///@}

  ///@{
  /** Type of the activations. Default FLOAT32. */
  vtkSetClampMacro(Precision, int, FLOAT32, FLOAT64);
  vtkGetMacro(Precision, int);
  ///@}

  ///@{
  /** "cpu" (default), or "cuda", "cuda:1" ... where LibTorch has it. */
  vtkSetStdStringFromCharMacro(Device);
  vtkGetCharFromStdStringMacro(Device);
  ///@}

  ///@{
  /** Threads; 0 (default) means all cores of the process, shared with the other ranks of the host.
   */
  vtkSetClampMacro(Threads, int, 0, 1024);
  vtkGetMacro(Threads, int);
  ///@}

  ///@{
  /** The processes that work together. Default: the global controller. */
  void SetController(vtkMultiProcessController* controller);
  vtkMultiProcessController* GetController();
  ///@}

  /** The answer, once there is one; "" before. A NUL character that the model said is shown as
   * its sign, U+2400; the trace has the character itself. */
  const char* GetAnswer();
  /** Architecture, layers, heads, patches and size of the model in ModelDirectory, or why it cannot
   * be used. */
  const char* GetModelInformation();
  /** Lowest and highest index of the model's decoder layers, e.g. -32 and 31; 0 and 0 when the
   * model cannot be used. */
  int* GetLayerRange() VTK_SIZEHINT(2);
  /** Lowest and highest index of hidden states, e.g. -33 and 32; 0 and 0 when the model cannot be
   * used. */
  int* GetHiddenLayerRange() VTK_SIZEHINT(2);
  /** Folder of the model that ships with the plugin, its example pictures in `scenes`; "" where it
   * is missing. */
  const char* GetEmbeddedModelDirectory();
  /** What the question costs in memory at the longest answer, before it is asked; or why it cannot
   * be. */
  const char* GetCostInformation();

  /** An answer makes the pipeline newer than its last information pass: how many time steps there
   * are is known only then, and the next pass tells it downstream. */
  int ComputePipelineMTime(vtkInformation* request, vtkInformationVector** inputs,
    vtkInformationVector* outputs, int port, vtkMTimeType* mtime) override;

protected:
  vtkLLaVAInference();
  ~vtkLLaVAInference() override;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  vtkExecutive* CreateDefaultExecutive() override;
  int RequestDataObject(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestInformation(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestUpdateExtent(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestData(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

private:
  vtkLLaVAInference(const vtkLLaVAInference&) = delete;
  void operator=(const vtkLLaVAInference&) = delete;

  /// Opens the model and puts the question together; whether its answer is there already. All ranks
  /// at once.
  bool Prepare(vtkInformationVector** inputs);
  /// The pictures of both inputs. Throws lvlm::Error for one of more than MaximumPixels, or that is
  /// none.
  std::vector<lvlm::picture::RgbImage> GetPictures(vtkInformationVector** inputs);
  void CheckPixels(vtkInformation* inInfo);
  /// The array that ColorArray names; nullptr where it cannot be the picture's.
  vtkDataArray* GetChosenArray(vtkInformationVector** inputs);

  std::string ModelDirectory;
  std::string Prompt;
  std::string SystemPrompt;
  std::string ChatTemplate;
  std::string Device;
  int ImageMode = DEFAULT;
  int MaxNewTokens = 64;
  double Temperature = 0;
  double TopP = 1;
  int Seed = 0;
  int Alternatives = 5;
  int MaximumPixels;
  bool CaptureFull = true;
  bool CaptureVision = false;
  bool CaptureHidden = false;
  bool CaptureLens = false;
  int Precision = FLOAT32;
  int Threads = 0;
  int LayerRange[2] = { 0, 0 };
  int HiddenLayerRange[2] = { 0, 0 };

  std::unique_ptr<lvlm::AlgorithmTeam> Ranks;
  struct Internals;
  std::unique_ptr<Internals> Self;
};

#endif
